import { HimplosError } from '../errors.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import { list, nullable, object, oneOf, type Shape, text, whole } from '../formats/json-shape.ts';
import { decodeSafetensors, encodeSafetensors } from '../formats/safetensors.ts';
import { parseStrictJson } from '../formats/strict-json.ts';
import type { Tensor, Tensors } from '../tensor.ts';
import { badArtifact } from './bad-artifact.ts';
import { MAX_EVALUATION_ROWS, type SelectedRows } from './row-selection.ts';

/**
 * Rows kept beside a detector so that versions can be compared on the same data later (gates, `diff`, a new
 * `evaluate`): the labelled ID set, if there was one, and each OOD set.
 */
export interface Evaluation {
  /** L, the width of every row. */
  readonly width: number;
  readonly id: SelectedRows | null;
  readonly ood: readonly { readonly name: string; readonly rows: SelectedRows }[];
}

/**
 * The bytes of evaluation.safetensors: `id.features` F32 [n, L], `id.labels` I64 [n], and `ood.0.features`,
 * `ood.1.features`, … with their names in the metadata. The same rows give the same bytes. Throws `bad-input` when
 * a set is larger than MAX_EVALUATION_ROWS or of another width.
 */
export function encodeEvaluation({ width, id, ood }: Evaluation): Uint8Array {
  const tensors: Record<string, Tensor> = {};
  if (id !== null) {
    tensors['id.features'] = featuresOf(id, width, 'the ID set');
    tensors['id.labels'] = {
      dtype: 'I64',
      shape: [id.rows],
      data: BigInt64Array.from(id.labels.subarray(0, id.rows), BigInt),
    };
  }
  ood.forEach(({ name, rows }, i) => {
    tensors[`ood.${i}.features`] = featuresOf(rows, width, `OOD set ${name}`);
  });
  const document = canonicalJson({
    formatVersion: 1,
    width,
    idRows: id?.totalRows ?? null,
    ood: ood.map(({ name, rows }) => ({ name, rows: rows.totalRows })),
  });
  return encodeSafetensors(tensors, { himplos_evaluation: document });
}

/** Reads evaluation.safetensors, checking everything. Throws `bad-artifact`. */
export function decodeEvaluation(bytes: Uint8Array): Evaluation {
  const { tensors, metadata } = read(bytes);
  const { himplos_evaluation: text, ...others } = metadata;
  if (text === undefined || Object.keys(others).length > 0) {
    throw badArtifact('expected metadata with the one key himplos_evaluation');
  }
  const { width, idRows, ood } = parseDocument(text);
  const expected = new Set(ood.map((_, i) => `ood.${i}.features`));
  if (idRows !== null) for (const name of ['id.features', 'id.labels']) expected.add(name);
  const names = Object.keys(tensors);
  if (names.length !== expected.size || names.some((name) => !expected.has(name))) {
    throw badArtifact(
      `evaluation rows: expected tensors ${[...expected].join(', ')}, got ${names.join(', ').slice(0, 500)}`,
    );
  }
  return {
    width,
    id: idRows === null ? null : selected(tensors, 'id', width, idRows),
    ood: ood.map(({ name, rows }, i) => ({ name, rows: selected(tensors, `ood.${i}`, width, rows) })),
  };
}

function featuresOf({ rows, totalRows, features }: SelectedRows, width: number, what: string): Tensor {
  if (rows > MAX_EVALUATION_ROWS || rows > totalRows || features.length !== rows * width) {
    throw new HimplosError(
      'bad-input',
      `${what}: expected at most ${MAX_EVALUATION_ROWS} rows × ${width}, got ${rows} rows with ${features.length} numbers`,
      { hint: 'choose the rows with selectRows' },
    );
  }
  return { dtype: 'F32', shape: [rows, width], data: features };
}

function read(bytes: Uint8Array): ReturnType<typeof decodeSafetensors> {
  try {
    return decodeSafetensors(bytes);
  } catch (cause) {
    if (!(cause instanceof HimplosError)) throw cause;
    throw badArtifact(cause.message, { cause });
  }
}

function parseDocument(json: string): EvaluationDocument {
  let value: unknown;
  try {
    value = parseStrictJson(json);
  } catch (cause) {
    throw badArtifact('the document of the evaluation rows is not valid JSON', { cause });
  }
  const misfit = shape(value);
  if (misfit === undefined) return value as EvaluationDocument;
  const where = misfit.path.join('.') || 'the top';
  throw badArtifact(`the document of the evaluation rows is wrong at ${where}: expected ${misfit.expected}`);
}

function selected(tensors: Tensors, prefix: string, width: number, totalRows: number): SelectedRows {
  const features = tensors[`${prefix}.features`]!;
  const [rows = -1, columns] = features.shape;
  if (features.dtype !== 'F32' || features.shape.length !== 2 || columns !== width) {
    throw badArtifact(
      `${prefix}.features: expected F32 [rows, ${width}], got ${features.dtype} [${features.shape}]`,
    );
  }
  if (rows > MAX_EVALUATION_ROWS || rows > totalRows) {
    throw badArtifact(
      `${prefix}.features has ${rows} rows of a set of ${totalRows}; at most ${MAX_EVALUATION_ROWS} are kept`,
    );
  }
  if (features.data.some((value) => !Number.isFinite(value))) {
    throw badArtifact(`${prefix}.features has a number that is not finite`);
  }
  return { rows, totalRows, features: features.data, labels: labelsOf(tensors[`${prefix}.labels`], rows) };
}

function labelsOf(tensor: Tensor | undefined, rows: number): Int32Array {
  if (tensor === undefined) return new Int32Array(rows).fill(-1);
  if (tensor.dtype !== 'I64' || tensor.data.length !== rows || tensor.shape.length !== 1) {
    throw badArtifact(`id.labels: expected I64 [${rows}], got ${tensor.dtype} [${tensor.shape}]`);
  }
  if (tensor.data.some((label) => label < -1n || label > 0x7fff_ffffn)) {
    throw badArtifact('id.labels has a number that is no class index');
  }
  return Int32Array.from(tensor.data, Number);
}

/** What the metadata say: the sizes of the sets that rows were taken from. */
interface EvaluationDocument {
  readonly formatVersion: 1;
  readonly width: number;
  readonly idRows: number | null;
  readonly ood: readonly { readonly name: string; readonly rows: number }[];
}

const shape: Shape<EvaluationDocument> = object<EvaluationDocument>({
  formatVersion: oneOf(1),
  width: whole(1),
  idRows: nullable(whole(0)),
  ood: list(object({ name: text(1, 200), rows: whole(0) })),
});
