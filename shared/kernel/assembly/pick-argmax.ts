import {
  bias,
  CLASS_FACTS,
  classes,
  contenders,
  facts,
  features,
  logitStride,
  logits,
  predicted,
  stride,
  upper,
  weight,
  weightStride,
  width,
} from './memory';
import { largestBias, largestNorm } from './prepare';
import { highDoubles, lowDoubles, maxLane, sumPair } from './simd';

// The argmax of logits in float32: classes that rounding cannot tell apart are computed in float64, in the order of the
// reference implementation. The result is the exact argmax, ties included.

/** Features beyond this would overflow float32 sums; such samples are left to the caller. */
const MAX_FEATURE: f32 = 1e15;

/** Stores argmax f as `certifyArgmax` does, from logits that `computeLogits` or `sparseLogits` has left. */
export function certifyLogits(rows: i32): void {
  for (let row = 0; row < rows; row++) {
    const h = features + ((<usize>row * <usize>stride) << 2);
    const f = logits + ((<usize>row * <usize>logitStride()) << 2);
    const best = measureFeatures(h) ? pick(h, f, listNearTop(f), width) : -1;
    store<i32>(predicted + ((<usize>row) << 2), best);
  }
}

let norm: f64 = 0; // ‖h‖

/** Takes ‖h‖, which `pick` needs; false when a feature is too large. */
export function measureFeatures(h: usize): bool {
  let largest = f32x4.splat(0);
  let low = f64x2.splat(0),
    high = low;
  for (let at: usize = 0; at < (<usize>stride) << 2; at += 16) {
    const x = v128.load(h + at);
    largest = f32x4.max(largest, f32x4.abs(x));
    const x0 = lowDoubles(x);
    const x1 = highDoubles(x);
    low = f64x2.add(low, f64x2.mul(x0, x0));
    high = f64x2.add(high, f64x2.mul(x1, x1));
  }
  norm = sqrt(sumPair(f64x2.add(low, high)));
  return maxLane(largest) <= MAX_FEATURE;
}

/**
 * Lists the classes whose float32 logit is so near the largest that rounding may hide the argmax among them, by one
 * bound for all classes; returns how many there are. `pick` has the bound of each.
 */
function listNearTop(f: usize): i32 {
  const end = (<usize>classes) << 2;
  const whole = end & ~15;
  let tops = f32x4.splat(-Infinity);
  for (let at: usize = 0; at < whole; at += 16) tops = f32x4.max(tops, v128.load(f + at));
  let top = maxLane(tops);
  for (let at = whole; at < end; at += 4) top = max<f32>(top, load<f32>(f + at));
  // A quarter more than twice the error: the bound itself is rounded to float32.
  const bound = <f32>(<f64>top - 2.5 * roundingOf(width, largestNorm, largestBias));
  const bounds = f32x4.splat(bound);
  let n: usize = 0;
  for (let at: usize = 0; at < end; at += 16) {
    if (!v128.any_true(f32x4.ge(v128.load(f + at), bounds))) continue;
    for (let i = at; i < min(at + 16, end); i += 4) {
      store<i32>(contenders + (n << 2), <i32>(i >> 2));
      n += usize(load<f32>(f + i) >= bound);
    }
  }
  return <i32>n;
}

/** Bound on the error of a float32 logit: n additions in a row err by at most n·2⁻²⁴ of Σ|w·h| ≤ ‖W_c‖·‖h‖, doubled. */
function roundingOf(additions: i32, weightNorm: f64, b: f64): f64 {
  return (<f64>additions + 8) * 1.1920928955078125e-7 * (weightNorm * norm + b) + 1e-37;
}

/** The argmax among the first `n` contenders, whose float32 logits are known: sums of so many additions in a row. */
export function pick(h: usize, f: usize, n: i32, additions: i32): i32 {
  let best: f64 = -Infinity;
  for (let i = 0; i < n; i++) {
    const c = contender(i);
    const fact = facts + ((<usize>c * CLASS_FACTS) << 3);
    const error = roundingOf(additions, load<f64>(fact, 32), abs(load<f64>(fact, 40)));
    const value = <f64>load<f32>(f + ((<usize>c) << 2));
    store<f64>(upper + ((<usize>i) << 3), value + error);
    best = max<f64>(best, value - error);
  }
  let left = 0;
  for (let i = 0; i < n; i++) {
    const c = contender(i);
    store<i32>(contenders + ((<usize>left) << 2), c);
    left += i32(!(load<f64>(upper + ((<usize>i) << 3)) < best));
  }
  if (left === 1) return contender(0);
  let top: f64 = -Infinity;
  let winner = -1;
  for (let i = 0; i < left; i++) {
    const c = contender(i);
    const value = exactLogit(h, c);
    if (value > top) {
      top = value;
      winner = c;
    }
  }
  return winner;
}

export function contender(i: i32): i32 {
  return load<i32>(contenders + ((<usize>i) << 2));
}

/** f_c in float64, summed in the order of the reference implementation. */
function exactLogit(h: usize, c: i32): f64 {
  const w = weight + ((<usize>c * <usize>weightStride) << 2);
  let sum: f64 = 0;
  for (let l: usize = 0; l < <usize>width; l++) {
    sum += <f64>load<f32>(w + (l << 2)) * <f64>load<f32>(h + (l << 2));
  }
  return sum + <f64>load<f32>(bias + ((<usize>c) << 2));
}
