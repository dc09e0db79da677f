import {
  bias,
  CLASS_FACTS,
  classes,
  classStride,
  facts,
  quantised,
  stride,
  transposed,
  weight,
  weightBytes,
  weightStride,
  width,
} from './memory';
import { highDoubles, lowDoubles, maxLane, multiplyAdd, sumLanes, sumPair } from './simd';

/** Weights and biases beyond this could overflow float32 sums. */
const LARGEST: f64 = 1e15;

/** The largest ‖W_c‖, rounded up, and |b_c|. */
export let largestNorm: f64 = 0;
export let largestBias: f64 = 0;

/** Whether {@link deriveCopies} has made W by channel and W as bytes, as far as there is room for them. */
export let hasCopies: bool = false;

/**
 * Takes the norms of W and b, which the caller has written; that much every answer needs. Returns false for a head that
 * float32 sums cannot hold, or with numbers that are not finite.
 */
export function prepareHead(): bool {
  largestNorm = 0;
  largestBias = 0;
  for (let c = 0; c < classes; c++) {
    const b = <f64>load<f32>(bias + ((<usize>c) << 2));
    const norm = normOf(c);
    const fact = facts + ((<usize>c * CLASS_FACTS) << 3);
    store<f64>(fact, norm, 32);
    store<f64>(fact, b, 40);
    // NaN is not below anything.
    if (!(norm <= LARGEST && abs(b) <= LARGEST)) return false;
    largestNorm = max<f64>(largestNorm, norm);
    largestBias = max<f64>(largestBias, abs(b));
  }
  return true;
}

/** Derives W by channel and W as bytes, which make scoring fast, 16 classes at a time while they are in the caches. */
export function deriveCopies(): void {
  for (let c = 0; c < classes; c += 16) {
    const end = min(c + 16, classes);
    if (transposed !== 0) transpose(c, end);
    if (quantised !== 0) for (let i = c; i < end; i++) quantiseClass(i);
  }
  hasCopies = true;
}

/**
 * An upper bound on ‖W_c‖, all that error bounds need: float32 sums of up to 65,536 squares err by less than 0.1 %, and
 * by 1e-40 where squares are too small for it. The first answer waits for this, on V8's quick and slow code.
 */
function normOf(c: i32): f64 {
  const bytes = weightBytes;
  const w = weight + ((<usize>c * <usize>weightStride) << 2);
  let sum = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const x = v128.load(w + at);
    sum = multiplyAdd(x, x, sum);
  }
  return sqrt(<f64>sumLanes(sum) * 1.002 + 1e-40);
}

/** Classes of W, by class → by channel, in blocks of 16 × 16 (whole cache lines on both sides) of squares of 4 × 4. */
function transpose(start: i32, end: i32): void {
  for (let l = 0; l < width; l += 16) {
    for (let c = start; c < end; c += 4) {
      for (let k = l; k < min(l + 16, width); k += 4) transposeSquare(c, k);
    }
  }
}

/** The padding of both sides makes room for the last squares. */
function transposeSquare(c: i32, l: i32): void {
  const from = (<usize>weightStride) << 2;
  const to = (<usize>classStride) << 2;
  const at = weight + <usize>c * from + ((<usize>l) << 2);
  const r0 = v128.load(at);
  const r1 = v128.load(at + from);
  const r2 = v128.load(at + 2 * from);
  const r3 = v128.load(at + 3 * from);
  const a = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const b = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const d = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const e = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  const channel = transposed + ((<usize>c) << 2) + <usize>l * to;
  v128.store(channel, v128.shuffle<f64>(a, b, 0, 2));
  if (l + 1 < width) v128.store(channel + to, v128.shuffle<f64>(a, b, 1, 3));
  if (l + 2 < width) v128.store(channel + 2 * to, v128.shuffle<f64>(d, e, 0, 2));
  if (l + 3 < width) v128.store(channel + 3 * to, v128.shuffle<f64>(d, e, 1, 3));
}

/** W_c = a_c·z_c + e_c: stores z_c and a_c, ΣW_c, Σe_c, ‖e_c‖. */
function quantiseClass(c: i32): void {
  const bytes = weightBytes;
  const w = weight + ((<usize>c * <usize>weightStride) << 2);
  let largest = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(w + at)));
  const top = <f64>maxLane(largest);
  const scale = top / 127;
  const inverses = f32x4.splat(scale > 1e-30 ? <f32>(1 / scale) : 0);
  const scales = f64x2.splat(scale);
  const z = quantised + <usize>c * <usize>stride;
  let weights = f64x2.splat(0),
    errors = weights,
    errorSquares = weights;
  for (let at: usize = 0; at < bytes; at += 16) {
    const x = v128.load(w + at);
    const level = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, inverses)));
    const q = i32x4.max_s(i32x4.min_s(level, i32x4.splat(127)), i32x4.splat(-127));
    const words = i16x8.narrow_i32x4_s(q, q);
    store<i32>(z + (at >> 2), i32x4.extract_lane(i8x16.narrow_i16x8_s(words, words), 0));
    const x0 = lowDoubles(x);
    const x1 = highDoubles(x);
    const e0 = f64x2.sub(x0, f64x2.mul(scales, f64x2.convert_low_i32x4_s(q)));
    const q1 = v128.shuffle<i32>(q, q, 2, 3, 0, 1);
    const e1 = f64x2.sub(x1, f64x2.mul(scales, f64x2.convert_low_i32x4_s(q1)));
    weights = f64x2.add(weights, f64x2.add(x0, x1));
    errors = f64x2.add(errors, f64x2.add(e0, e1));
    errorSquares = f64x2.add(errorSquares, f64x2.add(f64x2.mul(e0, e0), f64x2.mul(e1, e1)));
  }
  const fact = facts + ((<usize>c * CLASS_FACTS) << 3);
  store<f64>(fact, scale, 0);
  store<f64>(fact, sumPair(weights), 8);
  store<f64>(fact, sumPair(errors), 16);
  store<f64>(fact, sqrt(sumPair(errorSquares)), 24);
}
