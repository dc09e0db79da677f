import { kernelLinear } from './linear-kernel.ts';

/** A linear layer over float64 rows, with its shape. */
export interface Linear {
  /** Number of outputs. */
  readonly classes: number;
  /** Number of inputs. */
  readonly width: number;
  /** classes × width, row-major. */
  readonly weight: Float32Array;
  /** One value an output. */
  readonly bias: Float32Array;
}

/**
 * out[r, c] = Σ_l x[r, l] · weight[c, l] + bias[c] for `rows` rows, in float64.
 *
 * Every sum runs over l from 0 upwards into one accumulator, whatever block it is computed in and whether by WebAssembly
 * or not, so a row gives the same bits alone and in a batch.
 *
 * @param x rows × width, row-major
 * @param out rows × classes, row-major; overwritten
 */
export function applyLinear(linear: Linear, x: Float64Array, rows: number, out: Float64Array): void {
  const kernel = rows < KERNEL_ROWS ? undefined : kernelLinear(linear.width);
  (kernel ?? plainLinear)(linear, x, rows, out);
}

/** With fewer rows, laying out the weights for WebAssembly takes longer than it saves. */
const KERNEL_ROWS = 8;

/**
 * The twin without WebAssembly. Blocks of 4 rows × 4 classes keep 16 sums in flight: 0.77 ms a row at 2048 × 1000,
 * against 2.0 ms for the plain double loop (Node 24, one thread).
 */
export function plainLinear(
  { classes, width, weight, bias }: Linear,
  x: Float64Array,
  rows: number,
  out: Float64Array,
): void {
  const blockedRows = rows - (rows % 4);
  const blockedClasses = classes - (classes % 4);
  for (let c = 0; c < blockedClasses; c += 4) {
    for (let r = 0; r < blockedRows; r += 4)
      multiply4x4(x, r * width, weight, c * width, width, out, r * classes + c, classes);
    for (let r = blockedRows; r < rows; r++)
      multiply1x4(x, r * width, weight, c * width, width, out, r * classes + c);
  }
  for (let c = blockedClasses; c < classes; c++) {
    for (let r = 0; r < rows; r++) out[r * classes + c] = dot(x, r * width, weight, c * width, width);
  }
  for (let r = 0; r < rows; r++) {
    const at = r * classes;
    for (let c = 0; c < classes; c++) out[at + c]! += bias[c]!;
  }
}

/**
 * The same product for float32 features: rows are widened into `scratch` first (exact). `scratch` holds at least
 * rows × width values.
 */
export function applyLinearTo(
  linear: Linear,
  features: Float32Array,
  rows: number,
  scratch: Float64Array,
  out: Float64Array,
): void {
  const count = rows * linear.width;
  for (let i = 0; i < count; i++) scratch[i] = features[i]!;
  applyLinear(linear, scratch, rows, out);
}

function multiply4x4(
  x: Float64Array,
  xAt: number,
  w: Float32Array,
  wAt: number,
  width: number,
  out: Float64Array,
  outAt: number,
  classes: number,
): void {
  const x1 = xAt + width;
  const x2 = x1 + width;
  const x3 = x2 + width;
  const w1 = wAt + width;
  const w2 = w1 + width;
  const w3 = w2 + width;
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s03 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s13 = 0;
  let s20 = 0;
  let s21 = 0;
  let s22 = 0;
  let s23 = 0;
  let s30 = 0;
  let s31 = 0;
  let s32 = 0;
  let s33 = 0;
  for (let l = 0; l < width; l++) {
    const a = w[wAt + l]!;
    const b = w[w1 + l]!;
    const c = w[w2 + l]!;
    const d = w[w3 + l]!;
    const p = x[xAt + l]!;
    s00 += p * a;
    s01 += p * b;
    s02 += p * c;
    s03 += p * d;
    const q = x[x1 + l]!;
    s10 += q * a;
    s11 += q * b;
    s12 += q * c;
    s13 += q * d;
    const r = x[x2 + l]!;
    s20 += r * a;
    s21 += r * b;
    s22 += r * c;
    s23 += r * d;
    const t = x[x3 + l]!;
    s30 += t * a;
    s31 += t * b;
    s32 += t * c;
    s33 += t * d;
  }
  out[outAt] = s00;
  out[outAt + 1] = s01;
  out[outAt + 2] = s02;
  out[outAt + 3] = s03;
  const out1 = outAt + classes;
  out[out1] = s10;
  out[out1 + 1] = s11;
  out[out1 + 2] = s12;
  out[out1 + 3] = s13;
  const out2 = out1 + classes;
  out[out2] = s20;
  out[out2 + 1] = s21;
  out[out2 + 2] = s22;
  out[out2 + 3] = s23;
  const out3 = out2 + classes;
  out[out3] = s30;
  out[out3 + 1] = s31;
  out[out3 + 2] = s32;
  out[out3 + 3] = s33;
}

function multiply1x4(
  x: Float64Array,
  xAt: number,
  w: Float32Array,
  wAt: number,
  width: number,
  out: Float64Array,
  outAt: number,
): void {
  const w1 = wAt + width;
  const w2 = w1 + width;
  const w3 = w2 + width;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let l = 0; l < width; l++) {
    const p = x[xAt + l]!;
    s0 += p * w[wAt + l]!;
    s1 += p * w[w1 + l]!;
    s2 += p * w[w2 + l]!;
    s3 += p * w[w3 + l]!;
  }
  out[outAt] = s0;
  out[outAt + 1] = s1;
  out[outAt + 2] = s2;
  out[outAt + 3] = s3;
}

function dot(x: Float64Array, xAt: number, w: Float32Array, wAt: number, width: number): number {
  let sum = 0;
  for (let l = 0; l < width; l++) sum += x[xAt + l]! * w[wAt + l]!;
  return sum;
}
