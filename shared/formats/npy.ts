import { HimplosError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { countBytes, type DType, tensorBytes, viewTensor } from './element-types.ts';
import { readNpyDictionary } from './npy-dictionary.ts';

/**
 * The .npy format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 * magic `\x93NUMPY`, version (2 bytes), header length (2 bytes in version 1, 4 in versions 2 and 3), a Python
 * dictionary literal padded with spaces and ended by a newline, then the elements.
 */
export interface NpyHeader {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Elements are stored column by column; `decodeNpy` refuses that. */
  readonly fortranOrder: boolean;
  /** Position of the first element, in bytes from the start of the file. */
  readonly dataOffset: number;
}

/** The longest preamble and header that is read: a caller that streams needs no more bytes than this up front. */
export const MAX_NPY_HEADER_BYTES = 65_536;

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
const DTYPES: Readonly<Record<string, DType>> = {
  '<f4': 'F32',
  '<f8': 'F64',
  '<i4': 'I32',
  '<i8': 'I64',
  '|u1': 'U8',
};
const DESCRS: Readonly<Record<DType, string>> = { F32: '<f4', F64: '<f8', I32: '<i4', I64: '<i8', U8: '|u1' };

/**
 * Reads the header from the first bytes of a file (the whole file, or its first MAX_NPY_HEADER_BYTES).
 * Throws `bad-input` for anything malformed, `unsupported` for other element types (big-endian ones too) and
 * `too-large` for a header over the bound.
 */
export function parseNpyHeader(bytes: Uint8Array): NpyHeader {
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw malformed('expected the magic bytes \\x93NUMPY at the start');
  }
  const version = bytes[6]!;
  if (version < 1 || version > 3 || bytes[7] !== 0) {
    throw new HimplosError(
      'unsupported',
      `.npy header: expected format version 1.0, 2.0 or 3.0, got ${version}.${bytes[7]}`,
      {
        hint: 'write the array again with numpy.save',
      },
    );
  }
  const textStart = version === 1 ? 10 : 12;
  if (bytes.length < textStart) throw malformed('the file ends inside its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dataOffset = textStart + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataOffset > MAX_NPY_HEADER_BYTES) {
    throw new HimplosError(
      'too-large',
      `.npy header: expected at most ${MAX_NPY_HEADER_BYTES} bytes, got ${dataOffset}`,
      { hint: 'this is not an array that numpy.save wrote' },
    );
  }
  if (dataOffset > bytes.length) throw malformed('the file ends inside its header');
  return { ...interpret(decodeText(bytes.subarray(textStart, dataOffset), version)), dataOffset };
}

/**
 * Reads a whole .npy file in C order. The tensor is a view on `bytes` where alignment allows, otherwise a copy.
 * Throws as {@link parseNpyHeader}, `unsupported` for Fortran order, and `bad-input` when the file is shorter
 * or longer than its header says (checked before anything is allocated).
 */
export function decodeNpy(bytes: Uint8Array): Tensor {
  const { dtype, shape, fortranOrder, dataOffset } = parseNpyHeader(bytes);
  if (fortranOrder && shape.length > 1) {
    throw new HimplosError('unsupported', `.npy array [${shape}]: expected C order, got Fortran order`, {
      hint: 'save numpy.ascontiguousarray(array) instead',
    });
  }
  const expected = dataOffset + countBytes(dtype, shape)!;
  if (bytes.length !== expected) {
    throw malformed(`expected ${expected} bytes for ${dtype} [${shape}], got ${bytes.length}`);
  }
  return viewTensor(dtype, shape, bytes.subarray(dataOffset));
}

/** A whole .npy file in C order, byte for byte what numpy ≥ 1.25 saves. */
export function encodeNpy(tensor: Tensor): Uint8Array {
  const header = encodeNpyHeader(tensor.dtype, tensor.shape);
  const data = tensorBytes(tensor, '.npy array');
  const bytes = new Uint8Array(header.length + data.length);
  bytes.set(header);
  bytes.set(data, header.length);
  return bytes;
}

/**
 * The header alone, ended on a 64-byte boundary. Like numpy's, it leaves room for the first dimension to grow
 * to 21 digits: headers of arrays that differ only in their number of rows are equally long, so a writer that
 * learns that number late can write the header again in place. Throws `bad-input` for a shape that is too long
 * or cannot be counted.
 */
export function encodeNpyHeader(dtype: DType, shape: readonly number[]): Uint8Array {
  if (countBytes(dtype, shape) === undefined || shape.length > 32) {
    throw new HimplosError('bad-input', `.npy array: shape [${shape}] is not one numpy can hold`, {
      hint: 'at most 32 dimensions, whole numbers from 0',
    });
  }
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const growth = shape.length === 0 ? '' : ' '.repeat(21 - String(shape[0]).length);
  const text = `{'descr': '${DESCRS[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }${growth}`;
  const length = Math.ceil((MAGIC.length + 4 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length).fill(0x20);
  bytes.set(MAGIC);
  bytes.set([1, 0], MAGIC.length);
  new DataView(bytes.buffer).setUint16(8, length - 10, true);
  bytes.set(new TextEncoder().encode(text), 10);
  bytes[length - 1] = 0x0a;
  return bytes;
}

/** Versions 1 and 2 are Latin-1, version 3 UTF-8; only field names of structured types ever need more than ASCII. */
function decodeText(bytes: Uint8Array, version: number): string {
  try {
    return new TextDecoder(version === 3 ? 'utf-8' : 'latin1', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw malformed('the text is not valid UTF-8', cause);
  }
}

function interpret(text: string): Omit<NpyHeader, 'dataOffset'> {
  const { descr, fortranOrder, shape } = readNpyDictionary(text, malformed);
  const dtype = Object.hasOwn(DTYPES, descr) ? DTYPES[descr] : undefined;
  if (dtype === undefined) {
    throw new HimplosError(
      'unsupported',
      `.npy array: expected little-endian float32, float64, int32, int64 or uint8, got dtype ${JSON.stringify(descr)}`,
      { hint: 'convert it first: array.astype("float32")' },
    );
  }
  if (shape.length > 32 || countBytes(dtype, shape) === undefined) {
    throw malformed(`the shape [${shape}] is too large to hold`);
  }
  return { dtype, shape, fortranOrder };
}

function malformed(what: string, cause?: unknown): HimplosError {
  return new HimplosError('bad-input', `not a readable .npy file: ${what}`, {
    hint: 'write the array with numpy.save(file, array)',
    cause,
  });
}
