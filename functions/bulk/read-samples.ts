import { HimplosError } from '../../shared/errors.ts';
import { countBytes, type DType } from '../../shared/formats/element-types.ts';
import { MAX_NPY_HEADER_BYTES, parseNpyHeader } from '../../shared/formats/npy.ts';
import { parseSafetensorsHeader, safetensorsDataOffset } from '../../shared/formats/safetensors.ts';
import type { ChunkReader } from './chunk-reader.ts';
import { readJsonLines } from './json-lines.ts';

/** Samples that are scored together. */
export interface SampleBlock {
  /** Samples before these. */
  readonly firstRow: number;
  readonly rows: number;
  /** rows × L, not yet known to be finite; reused for the next block. */
  readonly features: Float32Array;
  /** What an input says of each sample besides its features. */
  readonly ids?: readonly (string | number | undefined)[];
}

/** Rows of a block: 2 MiB at 2048 features. */
export const BLOCK_ROWS = 256;

/** Kinds of inputs, by the end of their names. */
export const INPUT_KINDS = ['.npy', '.safetensors', '.jsonl', '.txt'] as const;
export type InputKind = (typeof INPUT_KINDS)[number];

/** Throws `unsupported` for names that end in something else. */
export function kindOf(key: string): InputKind {
  const kind = INPUT_KINDS.find((end) => key.toLowerCase().endsWith(end));
  if (kind !== undefined) return kind;
  throw new HimplosError('unsupported', `expected a name that ends in ${INPUT_KINDS.join(', ')}`, {
    hint: 'features as .npy, .safetensors or .jsonl; a list of images, one key a line, as .txt',
  });
}

/**
 * The samples of a file of features, block by block, in flat memory.
 * @param bytes length of the whole file
 * Throws `bad-input`, `unsupported` or `too-large` for a file that is not of its kind or of another width.
 */
export function readSamples(
  kind: Exclude<InputKind, '.txt'>,
  reader: ChunkReader,
  bytes: number,
  width: number,
): AsyncGenerator<SampleBlock> {
  if (kind === '.jsonl') return readJsonLines(reader, width);
  return kind === '.npy' ? readNpy(reader, bytes, width) : readSafetensors(reader, bytes, width);
}

async function* readNpy(reader: ChunkReader, bytes: number, width: number): AsyncGenerator<SampleBlock> {
  const { dtype, shape, fortranOrder, dataOffset } = parseNpyHeader(await reader.peek(MAX_NPY_HEADER_BYTES));
  if (fortranOrder && shape.length > 1) {
    throw new HimplosError('unsupported', 'expected C order, got Fortran order', {
      hint: 'save numpy.ascontiguousarray(array) instead',
    });
  }
  const expected = dataOffset + countBytes(dtype, shape)!;
  if (bytes !== expected) {
    throw new HimplosError('bad-input', `expected ${expected} bytes for ${dtype} [${shape}], got ${bytes}`, {
      hint: 'the file is truncated: save it again',
    });
  }
  await reader.skip(dataOffset);
  yield* readRows(reader, requireRows(dtype, shape, width), dtype, width);
}

async function* readSafetensors(
  reader: ChunkReader,
  bytes: number,
  width: number,
): AsyncGenerator<SampleBlock> {
  const headerBytes = safetensorsDataOffset(await reader.peek(8), bytes);
  const { entries } = parseSafetensorsHeader(await reader.peek(headerBytes), bytes);
  const entry =
    entries.find(({ name }) => name === 'features') ?? (entries.length === 1 ? entries[0] : undefined);
  if (entry === undefined) {
    throw new HimplosError('bad-input', `expected a tensor called features, got ${entries.length} others`, {
      hint: 'save the features under that name',
    });
  }
  await reader.skip(entry.begin);
  yield* readRows(reader, requireRows(entry.dtype, entry.shape, width), entry.dtype, width);
  // To the end of the file, whose digest is wanted.
  await reader.skip(bytes - entry.end);
}

function requireRows(dtype: DType, shape: readonly number[], width: number): number {
  const isFloat = dtype === 'F32' || dtype === 'F64';
  if (isFloat && shape.length === 2 && shape[1] === width && shape[0]! > 0) return shape[0]!;
  throw new HimplosError(
    'bad-input',
    `expected float32 or float64 [N, ${width}] with N from 1, got ${dtype} [${shape.slice(0, 8)}]`,
    { hint: "these must be the classifier's penultimate features" },
  );
}

async function* readRows(
  reader: ChunkReader,
  rows: number,
  dtype: DType,
  width: number,
): AsyncGenerator<SampleBlock> {
  const isDouble = dtype === 'F64';
  const block = Math.min(BLOCK_ROWS, rows);
  const raw = new Uint8Array(block * width * (isDouble ? 8 : 4));
  const doubles = isDouble ? new Float64Array(raw.buffer) : undefined;
  const features = isDouble ? new Float32Array(block * width) : new Float32Array(raw.buffer);
  const rowBytes = raw.length / block;
  for (let firstRow = 0; firstRow < rows; firstRow += block) {
    const count = Math.min(block, rows - firstRow);
    const wanted = raw.subarray(0, count * rowBytes);
    if ((await reader.fill(wanted)) < wanted.length) {
      throw new HimplosError('unavailable', 'the object ended early', { hint: 'it is read again' });
    }
    if (doubles !== undefined) features.set(doubles.subarray(0, count * width));
    yield { firstRow, rows: count, features };
  }
}
