import { HimplosError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

/** Names of element types, as safetensors spells them. */
export type DType = Tensor['dtype'];

/** Bytes of one element. */
export const bytesPerElement: Readonly<Record<DType, number>> = { F32: 4, F64: 8, I32: 4, I64: 8, U8: 1 };

/** Whether `text` names an element type this project reads and writes. */
export function isDType(text: string): text is DType {
  return Object.hasOwn(bytesPerElement, text);
}

/**
 * Bytes that a tensor takes, or undefined when a dimension is not a whole number ≥ 0 or the product leaves the
 * safe integers. The product is checked as if no dimension were 0, so that [2⁵⁰, 0, 2⁵⁰] is refused too.
 */
export function countBytes(dtype: DType, shape: readonly number[]): number | undefined {
  let bytes = bytesPerElement[dtype];
  let isEmpty = false;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) return undefined;
    if (dimension === 0) isEmpty = true;
    else bytes *= dimension;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return isEmpty ? 0 : bytes;
}

/**
 * A tensor over little-endian bytes: a view where they are aligned in memory, otherwise a copy.
 * `bytes` must be exactly as long as dtype and shape say; throws `bad-input` otherwise. (Every platform that
 * runs this has little-endian typed arrays.)
 */
export function viewTensor(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const expected = countBytes(dtype, shape);
  if (expected !== bytes.length) {
    throw new HimplosError(
      'bad-input',
      `tensor data: expected ${expected ?? 'a countable number of'} bytes for ${dtype} [${shape}], got ${bytes.length}`,
      { hint: 'the file is truncated or was written for another shape: write it again' },
    );
  }
  const size = bytesPerElement[dtype];
  const isAligned = bytes.byteOffset % size === 0;
  const source = isAligned ? bytes : new Uint8Array(bytes); // not slice(): a Node Buffer's is a view
  const { buffer, byteOffset } = source;
  const count = bytes.length / size;
  switch (dtype) {
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer, byteOffset, count) };
    case 'F64':
      return { dtype, shape, data: new Float64Array(buffer, byteOffset, count) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(buffer, byteOffset, count) };
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(buffer, byteOffset, count) };
    case 'U8':
      return { dtype, shape, data: new Uint8Array(buffer, byteOffset, count) };
  }
}

/** The little-endian bytes of a tensor, as a view on its data. Throws `bad-input` when data and shape disagree. */
export function tensorBytes(tensor: Tensor, name = 'tensor'): Uint8Array {
  const { data, dtype, shape } = tensor;
  if (countBytes(dtype, shape) !== data.byteLength) {
    throw new HimplosError(
      'bad-input',
      `${name}: ${dtype} [${shape}] does not match its data, which has ${data.length} elements`,
      { hint: 'the product of the shape must be the number of elements' },
    );
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
