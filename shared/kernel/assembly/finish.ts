import { classes, classStride, features, prototype, shaped, stride } from './memory';
import { highDoubles, lowDoubles, maxLane, multiplyAdd, sumPair } from './simd';

/** ‖h‖² and ‖v‖² of the last call of `cosine`. */
export let featureSquare: f64 = 0;
export let prototypeSquare: f64 = 0;

/** cos(h, v) of a sample and the prototype the caller has written; 0 where one of them is zero. */
export function cosine(row: i32): f64 {
  const h = features + ((<usize>row * <usize>stride) << 2);
  let hh = f64x2.splat(0),
    vv = hh,
    hv = hh,
    hh1 = hh,
    vv1 = hh,
    hv1 = hh;
  for (let at: usize = 0; at < (<usize>stride) << 2; at += 16) {
    const x = v128.load(h + at);
    const y = v128.load(prototype + at);
    const x0 = lowDoubles(x);
    const y0 = lowDoubles(y);
    hh = f64x2.add(hh, f64x2.mul(x0, x0));
    vv = f64x2.add(vv, f64x2.mul(y0, y0));
    hv = f64x2.add(hv, f64x2.mul(x0, y0));
    const x1 = highDoubles(x);
    const y1 = highDoubles(y);
    hh1 = f64x2.add(hh1, f64x2.mul(x1, x1));
    vv1 = f64x2.add(vv1, f64x2.mul(y1, y1));
    hv1 = f64x2.add(hv1, f64x2.mul(x1, y1));
  }
  featureSquare = sumPair(f64x2.add(hh, hh1));
  prototypeSquare = sumPair(f64x2.add(vv, vv1));
  if (featureSquare === 0 || prototypeSquare === 0) return 0;
  return sumPair(f64x2.add(hv, hv1)) / (sqrt(featureSquare) * sqrt(prototypeSquare));
}

/** Multiplies a sample's shaped logits by `scale`, in place. */
export function scaleShaped(row: i32, scale: f32): void {
  const f = shaped + ((<usize>row * <usize>classStride) << 2);
  const scales = f32x4.splat(scale);
  for (let at: usize = 0; at < (<usize>classStride) << 2; at += 16) {
    v128.store(f + at, f32x4.mul(v128.load(f + at), scales));
  }
}

/** The largest shaped logit, from the last call of `sumExponentials`. */
export let largestShaped: f64 = 0;

/** Σ exp(f − max f) of the shaped logits. Exponentials err by less than 3e-7 of their value, the sum is float64. */
export function sumExponentials(row: i32): f64 {
  const f = shaped + ((<usize>row * <usize>classStride) << 2);
  const end = (<usize>classStride) << 2;
  for (let at = (<usize>classes) << 2; at < end; at += 4) store<f32>(f + at, -Infinity);
  let tops = v128.load(f);
  for (let at: usize = 16; at < end; at += 16) tops = f32x4.max(tops, v128.load(f + at));
  const top = maxLane(tops);
  const largest = f32x4.splat(top);
  let low = f64x2.splat(0),
    high = low;
  for (let at: usize = 0; at < end; at += 16) {
    const e = exponential(f32x4.sub(v128.load(f + at), largest));
    low = f64x2.add(low, lowDoubles(e));
    high = f64x2.add(high, highDoubles(e));
  }
  largestShaped = top;
  return sumPair(f64x2.add(low, high));
}

/** eˣ for x ≤ 0: 2ⁿ·eʳ with |r| ≤ ln 2 / 2, and the Taylor polynomial of degree 7 for eʳ (error 5e-9). */
function exponential(x: v128): v128 {
  const clamped = f32x4.max(x, f32x4.splat(-87));
  const n = f32x4.nearest(f32x4.mul(clamped, f32x4.splat(<f32>Math.LOG2E)));
  // ln 2 in two parts (Cody and Waite), the first exact in products with whole numbers.
  let r = f32x4.sub(clamped, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.1219444e-4)));
  let p = f32x4.splat(1.984127e-4);
  p = multiplyAdd(p, r, f32x4.splat(1.3888889e-3));
  p = multiplyAdd(p, r, f32x4.splat(8.3333333e-3));
  p = multiplyAdd(p, r, f32x4.splat(4.1666667e-2));
  p = multiplyAdd(p, r, f32x4.splat(0.16666667));
  p = multiplyAdd(p, r, f32x4.splat(0.5));
  p = multiplyAdd(p, r, f32x4.splat(1));
  p = multiplyAdd(p, r, f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(p, power);
}
