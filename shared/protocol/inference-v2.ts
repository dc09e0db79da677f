import { HimplosError } from '../errors.ts';
import { featuresFromBytes, featuresFromFlatJson } from './feature-values.ts';
import { describe, field, type JsonObject, parseDocument, requireObject } from './json-document.ts';
import { badRequest, checkRows, checkWidth, type FeatureBatch } from './limits.ts';

// The Open Inference Protocol, version 2, over REST, with the binary tensor data extension:
// https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
// https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md

/** Name of the header that says how many bytes of a body are JSON; the rest is tensor data. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';

/** Outputs in the order they are sent where a request names none. */
export const OUTPUTS = ['score', 'is_ood', 'predicted_class', 'p_value', 'cosine'] as const;
export type OutputName = (typeof OUTPUTS)[number];

/** Element types of the outputs. */
export const OUTPUT_TYPES: Readonly<Record<OutputName, 'FP64' | 'BOOL' | 'INT64'>> = {
  score: 'FP64',
  is_ood: 'BOOL',
  predicted_class: 'INT64',
  p_value: 'FP64',
  cosine: 'FP64',
};

/** An `infer` request, checked. */
export interface InferRequest extends FeatureBatch {
  readonly id: string | undefined;
  readonly outputs: readonly { readonly name: OutputName; readonly isBinary: boolean }[];
}

/**
 * Reads an `infer` request: one input `features`, FP32 or FP64 [N, L].
 * @param jsonLength value of JSON_LENGTH_HEADER; undefined: the whole body is JSON
 * Throws `bad-input`, `too-large`, or `unsupported` for another element type.
 */
export function readInferRequest(
  body: Uint8Array,
  jsonLength: string | undefined,
  width: number,
): InferRequest {
  const end = jsonLength === undefined ? body.length : readLength(jsonLength, body.length);
  const document = requireObject(
    parseDocument(body.subarray(0, end)),
    ['id', 'parameters', 'inputs', 'outputs'],
    'body',
  );
  const id = field(document, 'id');
  if (id !== undefined && (typeof id !== 'string' || id.length > 1000)) {
    throw badRequest(`id: expected a string of at most 1000 characters, got ${describe(id)}`);
  }
  const isBinary = readFlag(document, 'binary_data_output', 'body') ?? false;
  return {
    id,
    outputs: readOutputs(field(document, 'outputs'), isBinary),
    ...readInput(field(document, 'inputs'), body.subarray(end), width),
  };
}

function readLength(text: string, bodyBytes: number): number {
  const length = /^\d{1,9}$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
  if (length <= bodyBytes) return length;
  throw badRequest(
    `${JSON_LENGTH_HEADER}: expected at most ${bodyBytes}, the length of the body, got ${describe(text)}`,
  );
}

function readInput(value: unknown, binary: Uint8Array, width: number): FeatureBatch {
  if (!Array.isArray(value) || value.length !== 1) {
    throw badRequest(`inputs: expected one input called features, got ${describe(value)}`);
  }
  const input = requireObject(value[0], ['name', 'shape', 'datatype', 'parameters', 'data'], 'inputs[0]');
  const name = field(input, 'name');
  if (name !== 'features') throw badRequest(`inputs[0].name: expected "features", got ${describe(name)}`);
  const datatype = field(input, 'datatype');
  if (datatype !== 'FP32' && datatype !== 'FP64') {
    throw new HimplosError('unsupported', `features: expected FP32 or FP64, got ${describe(datatype)}`, {
      hint: 'convert the features to float32',
    });
  }
  const rows = readRows(field(input, 'shape'), width);
  const size = readParameter(input, 'binary_data_size', 'inputs[0]');
  const data = field(input, 'data');
  if (size === undefined) {
    if (binary.length > 0) throw badRequest(`${binary.length} bytes of tensor data belong to no input`);
    return featuresFromFlatJson(data, rows, width, 'features');
  }
  if (data !== undefined) throw badRequest('features: expected either data or binary_data_size, got both');
  const bytes = datatype === 'FP32' ? 4 : 8;
  if (size !== binary.length || binary.length !== rows * width * bytes) {
    throw badRequest(
      `features: ${rows} × ${width} ${datatype} take ${rows * width * bytes} bytes, binary_data_size is ${describe(size)}, the body has ${binary.length}`,
    );
  }
  if (datatype === 'FP32') return featuresFromBytes(binary, width, 'features');
  const doubles = new Float64Array(binary.slice().buffer);
  return featuresFromBytes(new Uint8Array(Float32Array.from(doubles).buffer), width, 'features');
}

function readRows(shape: unknown, width: number): number {
  const isShape = Array.isArray(shape) && shape.length >= 1 && shape.length <= 2;
  if (!isShape || !shape.every((side) => Number.isSafeInteger(side) && (side as number) >= 0)) {
    throw badRequest(`features: expected a shape [N, ${width}], got ${JSON.stringify(shape)?.slice(0, 50)}`);
  }
  const sides = shape as readonly number[];
  checkWidth(sides.at(-1)!, width);
  const rows = sides.length === 1 ? 1 : sides[0]!;
  checkRows(rows);
  return rows;
}

function readOutputs(value: unknown, isBinary: boolean): InferRequest['outputs'] {
  if (value === undefined) return OUTPUTS.map((name) => ({ name, isBinary }));
  if (!Array.isArray(value) || value.length > OUTPUTS.length) {
    throw badRequest(`outputs: expected an array of at most ${OUTPUTS.length}, got ${describe(value)}`);
  }
  const outputs = value.map((item, i) => {
    const output = requireObject(item, ['name', 'parameters'], `outputs[${i}]`);
    const name = field(output, 'name');
    const known = OUTPUTS.find((candidate) => candidate === name);
    if (known === undefined) {
      throw badRequest(`outputs[${i}].name: expected one of ${OUTPUTS.join(', ')}, got ${describe(name)}`);
    }
    return { name: known, isBinary: readFlag(output, 'binary_data', `outputs[${i}]`) ?? isBinary };
  });
  if (new Set(outputs.map(({ name }) => name)).size !== outputs.length) {
    throw badRequest('outputs: one of them stands twice');
  }
  return outputs.length === 0 ? OUTPUTS.map((name) => ({ name, isBinary })) : outputs;
}

function readFlag(object: JsonObject, key: string, where: string): boolean | undefined {
  const value = readParameter(object, key, where);
  if (value === undefined || typeof value === 'boolean') return value;
  throw badRequest(`${where}.parameters.${key}: expected true or false, got ${describe(value)}`);
}

/** One of an object's `parameters`; others are the caller's own business, as the protocol says. */
function readParameter(object: JsonObject, key: string, where: string): unknown {
  const parameters = field(object, 'parameters');
  if (parameters === undefined) return undefined;
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters)) {
    throw badRequest(`${where}.parameters: expected an object, got ${describe(parameters)}`);
  }
  return field(parameters as JsonObject, key);
}
