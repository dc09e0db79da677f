import { decodeNpy } from '../formats/npy.ts';
import { decodeSafetensors } from '../formats/safetensors.ts';
import { requireFinite } from '../maths/require-finite.ts';
import type { Tensor } from '../tensor.ts';
import { describe } from './json-document.ts';
import { badRequest, checkRows, checkWidth, type FeatureBatch } from './limits.ts';

/**
 * One sample as an array of L numbers, or several as an array of such arrays. Shapes are checked before anything is
 * allocated. Throws `bad-input` naming the sample and the position, `too-large` for too many samples.
 */
export function featuresFromJson(value: unknown, width: number, where = 'features'): FeatureBatch {
  if (!Array.isArray(value)) throw badRequest(`${where}: expected an array, got ${describe(value)}`);
  const samples: readonly unknown[] = Array.isArray(value[0]) ? value : [value];
  checkRows(value.length === 0 ? 0 : samples.length);
  samples.forEach((sample, row) => {
    if (!Array.isArray(sample)) {
      throw badRequest(`${where}[${row}]: expected an array of numbers, got ${describe(sample)}`);
    }
    checkWidth(sample.length, width, samples.length === 1 ? where : `${where}[${row}]`);
  });
  const features = new Float32Array(samples.length * width);
  samples.forEach((sample, row) => {
    copyNumbers(sample as readonly unknown[], features, row * width, `${where}[${row}]`);
  });
  return checked(features, samples.length, width, where);
}

/** rows × L numbers in one flat array, or nested, as the Open Inference Protocol allows. Throws as above. */
export function featuresFromFlatJson(
  value: unknown,
  rows: number,
  width: number,
  where: string,
): FeatureBatch {
  if (!Array.isArray(value)) throw badRequest(`${where}: expected an array, got ${describe(value)}`);
  if (Array.isArray(value[0])) {
    const nested = featuresFromJson(value, width, where);
    if (nested.rows !== rows) throw badRequest(`${where}: expected ${rows} samples, got ${nested.rows}`);
    return nested;
  }
  checkRows(rows);
  if (value.length !== rows * width) {
    throw badRequest(`${where}: expected ${rows} × ${width} numbers, got ${value.length}`);
  }
  const features = new Float32Array(rows * width);
  copyNumbers(value, features, 0, where);
  return checked(features, rows, width, where);
}

/** Little-endian float32, row-major. Throws `bad-input` unless the bytes are whole samples. */
export function featuresFromBytes(bytes: Uint8Array, width: number, where = 'body'): FeatureBatch {
  const rows = bytes.length / (4 * width);
  if (!Number.isInteger(rows)) {
    throw badRequest(
      `${where}: expected a multiple of ${4 * width} bytes (little-endian float32, ${width} a sample), got ${bytes.length}`,
    );
  }
  checkRows(rows);
  const isAligned = bytes.byteOffset % 4 === 0;
  const source = isAligned ? bytes : new Uint8Array(bytes);
  return checked(new Float32Array(source.buffer, source.byteOffset, rows * width), rows, width, where);
}

/** A .npy file: [L] or [N, L], float32 or float64. Throws `bad-input`, `too-large` or `unsupported`. */
export function featuresFromNpy(bytes: Uint8Array, width: number): FeatureBatch {
  return featuresFromTensor(decodeNpy(bytes), width, '.npy body');
}

/** A safetensors file: the tensor `features`, or the only one. Throws as above. */
export function featuresFromSafetensors(bytes: Uint8Array, width: number): FeatureBatch {
  const { tensors } = decodeSafetensors(bytes);
  const names = Object.keys(tensors);
  const name = Object.hasOwn(tensors, 'features') ? 'features' : names.length === 1 ? names[0]! : undefined;
  if (name === undefined) {
    throw badRequest(`safetensors body: expected a tensor called features, got ${names.length} others`);
  }
  return featuresFromTensor(tensors[name]!, width, 'safetensors body');
}

function featuresFromTensor(tensor: Tensor, width: number, where: string): FeatureBatch {
  const { dtype, shape, data } = tensor;
  if ((dtype !== 'F32' && dtype !== 'F64') || shape.length < 1 || shape.length > 2) {
    throw badRequest(
      `${where}: expected float32 or float64 [N, ${width}], got ${dtype} [${shape.slice(0, 8)}]`,
    );
  }
  checkWidth(shape.at(-1)!, width, where);
  const rows = shape.length === 1 ? 1 : shape[0]!;
  checkRows(rows);
  return checked(dtype === 'F32' ? data : Float32Array.from(data), rows, width, where);
}

function copyNumbers(from: readonly unknown[], to: Float32Array, at: number, where: string): void {
  for (let i = 0; i < from.length; i++) {
    const value = from[i];
    if (typeof value !== 'number') {
      throw badRequest(`${where}[${i}]: expected a number, got ${describe(value)}`);
    }
    to[at + i] = value;
  }
}

/** Float64 values beyond float32 have become infinite by now, and are refused like any other infinity. */
function checked(features: Float32Array, rows: number, width: number, where: string): FeatureBatch {
  requireFinite(features, rows, width, 0, where);
  return { rows, features };
}
