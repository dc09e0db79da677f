import { type FileHandle, open } from 'node:fs/promises';
import { HimplosError } from '../../shared/errors.ts';
import { bytesPerElement, type DType, viewTensor } from '../../shared/formats/element-types.ts';
import { requireFinite } from '../../shared/maths/require-finite.ts';
import { abortable } from './abortable.ts';
import type { FeatureRows, FeatureSource, SampleRange } from './contract.ts';
import { explainFileError } from './file-error.ts';
import { mapAhead } from './map-ahead.ts';

/** An array inside a file. */
export interface StoredArray {
  readonly path: string;
  /** What messages call it. */
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Position of its first byte. */
  readonly begin: number;
}

/** The widest row: penultimate layers have some thousand channels, flattened ones up to some 100,000. */
const MAX_WIDTH = 2 ** 20;
const MAX_ROWS = 2 ** 31 - 1;
/** Bytes in one block, whatever number of rows the caller would take: what stays in a core's caches. */
const BLOCK_BYTES = 2 ** 20;
/** Blocks in memory: one is used, the others are being read. */
const BLOCKS = 3;

/**
 * A feature source over arrays in files: `features` float32 or float64 of [rows, width], `labels` a whole number
 * a row. Shapes are checked here and labels are read (4 bytes a row stay in memory); features are streamed, until
 * `signal` ends it.
 * Throws `bad-input` for wrong shapes, dtypes and labels, `too-large` for rows over 2^20 values.
 */
export async function openFeatureFile(
  address: string,
  features: StoredArray,
  labels: StoredArray | undefined,
  signal?: AbortSignal,
): Promise<FeatureSource> {
  const [rows, width] = features.shape;
  if (features.shape.length !== 2 || rows === undefined || width === undefined || rows < 1 || width < 1) {
    throw new HimplosError('bad-input', `${features.name}: expected [rows, width], got [${features.shape}]`, {
      hint: 'one row of penultimate features an image, flattened: array.reshape(len(array), -1)',
    });
  }
  if (features.dtype !== 'F32' && features.dtype !== 'F64') {
    throw new HimplosError(
      'bad-input',
      `${features.name}: expected float32 or float64, got ${features.dtype}`,
      {
        hint: 'were features and labels given in the wrong order?',
      },
    );
  }
  if (width > MAX_WIDTH || rows > MAX_ROWS) {
    throw new HimplosError(
      'too-large',
      `${features.name}: [${features.shape}], expected at most ${MAX_ROWS} rows of ${MAX_WIDTH}`,
      { hint: 'are these the penultimate features of a classifier?' },
    );
  }
  return {
    kind: 'features',
    address,
    rows,
    width,
    labels: labels === undefined ? undefined : await readLabels(labels, features, rows),
    batches: (limit, range = { first: 0, end: rows }) =>
      abortable(readRows(features, range, width, limit), signal),
  };
}

async function* readRows(
  array: StoredArray,
  range: SampleRange,
  width: number,
  limit: number,
): AsyncGenerator<FeatureRows> {
  const rowBytes = width * bytesPerElement[array.dtype];
  const blockRows = Math.max(1, Math.min(limit, range.end - range.first, Math.floor(BLOCK_BYTES / rowBytes)));
  const rounded = array.dtype === 'F64' ? new Float32Array(blockRows * width) : undefined;
  for await (const { bytes, first, count } of readBlocks(array, range, rowBytes, blockRows)) {
    const { data } = viewTensor(array.dtype, [count, width], bytes);
    const features = rounded?.subarray(0, count * width) ?? (data as Float32Array);
    if (rounded !== undefined) features.set(data as Float64Array);
    requireFinite(features, count, width, first, array.name);
    yield { rows: count, firstRow: first, features };
  }
}

async function readLabels(array: StoredArray, features: StoredArray, rows: number): Promise<Int32Array> {
  const { name, dtype, shape } = array;
  if (shape.length !== 1 || shape[0] !== rows) {
    throw new HimplosError(
      'bad-input',
      `${name}: expected [${rows}], as ${features.name} has rows, got [${shape}]`,
      {
        hint: 'one class index a row: labels.ravel()',
      },
    );
  }
  if (dtype !== 'I64' && dtype !== 'I32' && dtype !== 'U8') {
    throw new HimplosError('bad-input', `${name}: expected int64, int32 or uint8, got ${dtype}`, {
      hint: 'labels are class indices in the order of the logits: labels.astype("int64")',
    });
  }
  const labels = new Int32Array(rows);
  const elementBytes = bytesPerElement[dtype];
  const blockRows = Math.min(rows, BLOCK_BYTES / elementBytes);
  for await (const { bytes, first, count } of readBlocks(
    array,
    { first: 0, end: rows },
    elementBytes,
    blockRows,
  )) {
    const { data } = viewTensor(dtype, [count], bytes);
    for (let i = 0; i < count; i++) {
      const label = Number(data[i]);
      if (label < -1 || label > MAX_ROWS) {
        throw new HimplosError(
          'bad-input',
          `${name}: row ${first + i}: expected a class index from 0 (or -1 for none), got ${label}`,
          { hint: 'labels are positions among the logits' },
        );
      }
      labels[first + i] = label;
    }
  }
  return labels;
}

interface Block {
  readonly bytes: Uint8Array;
  readonly first: number;
  readonly count: number;
}

/** Blocks of rows in order, the next ones being read while one is used: their buffers take turns. */
async function* readBlocks(
  array: StoredArray,
  { first, end }: SampleRange,
  rowBytes: number,
  blockRows: number,
): AsyncGenerator<Block> {
  if (first >= end) return;
  let file: FileHandle;
  try {
    file = await open(array.path);
  } catch (cause) {
    throw explainFileError(cause, array.path);
  }
  const buffers = Array.from({ length: BLOCKS }, () => new Uint8Array(blockRows * rowBytes));
  const read = async (turn: number): Promise<Block> => {
    const begin = first + turn * blockRows;
    const count = Math.min(blockRows, end - begin);
    const bytes = buffers[turn % BLOCKS]!.subarray(0, count * rowBytes);
    await readFully(file, bytes, array.begin + begin * rowBytes, array);
    return { bytes, first: begin, count };
  };
  try {
    yield* mapAhead(turns(Math.ceil((end - first) / blockRows)), BLOCKS, read);
  } finally {
    await file.close(); // waits for what is still being read
  }
}

async function* turns(count: number): AsyncGenerator<number> {
  for (let turn = 0; turn < count; turn++) yield turn;
}

async function readFully(
  file: FileHandle,
  bytes: Uint8Array,
  begin: number,
  array: StoredArray,
): Promise<void> {
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file
      .read(bytes, length, bytes.length - length, begin + length)
      .catch((cause: unknown) => Promise.reject(explainFileError(cause, array.path)));
    if (bytesRead === 0) {
      throw new HimplosError(
        'bad-input',
        `${array.name}: the file ends at byte ${begin + length}, inside the array`,
        {
          hint: 'it changed while it was read, or is truncated: write it again',
        },
      );
    }
    length += bytesRead;
  }
}
