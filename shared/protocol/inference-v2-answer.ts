import type { Scores } from '../methods/contract.ts';
import { type AnswerContext, isOutOfDistribution, pValuesOf, warningsOf } from './answer.ts';
import { type InferRequest, OUTPUT_TYPES, OUTPUTS, type OutputName } from './inference-v2.ts';

/** An `infer` answer, as it is sent. */
export interface InferAnswer {
  readonly body: Uint8Array<ArrayBuffer>;
  /** Bytes of JSON at the start of the body; undefined when all of it is JSON. */
  readonly jsonLength: number | undefined;
}

type Column = Float64Array | Uint8Array | BigInt64Array;

/**
 * Writes the answer to an `infer` request. γ, the method and warnings come as parameters of the answer. Cosines of
 * methods without prototypes are NaN in binary data and null in JSON.
 */
export function makeInferAnswer(
  model: string,
  request: InferRequest,
  context: AnswerContext,
  scores: Scores,
): InferAnswer {
  const { rows } = request;
  const columns = columnsOf(context, scores, rows);
  const outputs: object[] = [];
  const binary: Uint8Array[] = [];
  for (const { name, isBinary } of request.outputs) {
    const column = columns[name];
    const output = { name, datatype: OUTPUT_TYPES[name], shape: [rows] };
    if (isBinary) {
      binary.push(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
      outputs.push({ ...output, parameters: { binary_data_size: column.byteLength } });
    } else outputs.push({ ...output, data: listOf(name, column) });
  }
  const json = new TextEncoder().encode(
    JSON.stringify({
      model_name: model,
      model_version: context.version,
      ...(request.id !== undefined && { id: request.id }),
      parameters: {
        gamma: context.gamma,
        method: context.method,
        warnings: warningsText(scores, rows),
      },
      outputs,
    }),
  );
  if (binary.length === 0) return { body: json, jsonLength: undefined };
  const body = new Uint8Array(binary.reduce((total, part) => total + part.length, json.length));
  body.set(json);
  let at = json.length;
  for (const part of binary) {
    body.set(part, at);
    at += part.length;
  }
  return { body, jsonLength: json.length };
}

/** Metadata of the one model, as `GET /v2/models/NAME` sends it. */
export function modelMetadata(model: string, version: string, width: number): object {
  return {
    name: model,
    versions: [version],
    platform: 'himplos',
    inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, width] }],
    outputs: OUTPUTS.map((name) => ({ name, datatype: OUTPUT_TYPES[name], shape: [-1] })),
  };
}

function columnsOf(
  context: AnswerContext,
  scores: Scores,
  rows: number,
): Readonly<Record<OutputName, Column>> {
  return {
    score: scores.score.slice(0, rows),
    is_ood: Uint8Array.from({ length: rows }, (_, row) =>
      Number(isOutOfDistribution(scores.score[row]!, scores.flags[row]!, context.gamma)),
    ),
    predicted_class: BigInt64Array.from({ length: rows }, (_, row) => BigInt(scores.predicted[row]!)),
    p_value: pValuesOf(context, scores, rows),
    cosine: scores.cosine.slice(0, rows),
  };
}

function listOf(name: OutputName, column: Column): readonly (number | boolean)[] {
  if (name === 'is_ood') return Array.from(column as Uint8Array, (value) => value === 1);
  return Array.from(column as Float64Array | BigInt64Array, Number);
}

/** `ROW:warning` for each, separated by spaces: the protocol's parameters are plain values. */
function warningsText(scores: Scores, rows: number): string {
  const texts: string[] = [];
  for (let row = 0; row < rows; row++) {
    for (const warning of warningsOf(scores.flags[row]!)) texts.push(`${row}:${warning}`);
  }
  return texts.join(' ');
}
