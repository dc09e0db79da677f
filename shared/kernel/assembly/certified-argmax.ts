import {
  bias,
  CLASS_FACTS,
  classes,
  contenders,
  facts,
  featureBytes,
  features,
  logitStride,
  logits,
  predicted,
  quantised,
  SAMPLE_FACTS,
  sampleFacts,
  stride,
  upper,
  weight,
  weightBytes,
  weightStride,
} from './memory';
import { contender, measureFeatures, pick } from './pick-argmax';
import { dotBytes, highDoubles, lowDoubles, maxLane, multiplyAdd, sumInts, sumLanes, sumPair } from './simd';

// The argmax of the original logits is all that HIMPLoS needs of them, so W is read as bytes: a quarter of the
// traffic. Write W_c = a_c·z_c + e_c and h = m + t·q + r with whole numbers z (−127…127) and q (0…127). Then
//   f_c = b_c + m·ΣW_c + t·(a_c·⟨z_c, q⟩ + q̄·Σe_c)  +  t·⟨e_c, q − q̄⟩ + ⟨W_c, r⟩,
// and by Cauchy–Schwarz the last two terms are at most t·‖e_c‖·‖q − q̄‖ + ‖W_c‖·‖r‖. Classes whose upper bound
// reaches the highest lower bound contend; they are computed in float32, then those that still cannot be told
// apart in float64, in the order of the reference implementation. The result is the exact argmax, always.

/** Share of the magnitudes that covers every rounding of the float64 bounds, with room to spare. */
const SLACK: f64 = 1e-12;

/**
 * Stores argmax f (ties: the lowest index) for each of `rows` samples, from W as bytes; −1 where a feature is
 * beyond what float32 sums can hold.
 */
export function certifyArgmax(rows: i32): void {
  for (let row = 0; row < rows; row++) quantiseFeatures(row);
  multiplyBytes(rows);
  for (let row = 0; row < rows; row++) {
    const h = features + ((<usize>row * <usize>stride) << 2);
    const f = logitsOf(row);
    const best = measureFeatures(h) ? pick(h, f, computeContenders(h, f, boundLogits(row)), stride >> 2) : -1;
    store<i32>(predicted + ((<usize>row) << 2), best);
  }
}

function logitsOf(row: i32): usize {
  return logits + ((<usize>row * <usize>logitStride()) << 2);
}

/** A sample's features as bytes with what the bounds need of them: m, t, q̄, ‖q − q̄‖, ‖r‖. */
function quantiseFeatures(row: i32): void {
  const h = features + ((<usize>row * <usize>stride) << 2);
  const into = featureBytes + <usize>row * <usize>stride;
  const bytes = (<usize>stride) << 2;
  let low = v128.load(h);
  let high = low;
  for (let at: usize = 16; at < bytes; at += 16) {
    const x = v128.load(h + at);
    low = f32x4.min(low, x);
    high = f32x4.max(high, x);
  }
  const m = -maxLane(f32x4.neg(low));
  const top = maxLane(high);
  const step = (<f64>top - <f64>m) / 127;
  // A range too narrow for its reciprocal becomes all residual: correct, only wider bounds.
  const scale = step > 1e-30 ? <f32>(1 / step) : 0;
  const scales = f32x4.splat(scale);
  const lows = f32x4.splat(m);
  const m2 = f64x2.splat(m);
  const t2 = f64x2.splat(step);
  let sum = i32x4.splat(0);
  let squares = i32x4.splat(0);
  let residuals = f64x2.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const x = v128.load(h + at);
    const level = f32x4.nearest(f32x4.mul(f32x4.sub(x, lows), scales));
    const q = i32x4.min_s(i32x4.trunc_sat_f32x4_s(level), i32x4.splat(127));
    const words = i16x8.narrow_i32x4_s(q, q);
    store<i32>(into + (at >> 2), i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0));
    sum = i32x4.add(sum, q);
    squares = i32x4.add(squares, i32x4.mul(q, q));
    const x0 = lowDoubles(x);
    const x1 = highDoubles(x);
    const r0 = f64x2.sub(x0, f64x2.add(m2, f64x2.mul(t2, f64x2.convert_low_i32x4_s(q))));
    const q1 = v128.shuffle<i32>(q, q, 2, 3, 0, 1);
    const r1 = f64x2.sub(x1, f64x2.add(m2, f64x2.mul(t2, f64x2.convert_low_i32x4_s(q1))));
    residuals = f64x2.add(residuals, f64x2.add(f64x2.mul(r0, r0), f64x2.mul(r1, r1)));
  }
  // Sums of squares of bytes stay below 2³¹ for a stride up to 4 · 133,000 (the caller allows 2¹⁶).
  const total = <f64>sumInts(sum);
  const mean = total / <f64>stride;
  const fact = sampleFacts + ((<usize>row * SAMPLE_FACTS) << 3);
  store<f64>(fact, m, 0);
  store<f64>(fact, step, 8);
  store<f64>(fact, mean, 16);
  store<f64>(fact, sqrt(max<f64>(<f64>sumInts(squares) - total * mean, 0) + 1e-6), 24);
  store<f64>(fact, sqrt(sumPair(residuals)), 32);
}

/** ⟨z_c, q⟩ of all classes, as integers where a sample's logits will be. */
function multiplyBytes(rows: i32): void {
  const step = <usize>stride;
  for (let c = 0; c < classes; c += 4) {
    const z = quantised + <usize>c * step;
    let row = 0;
    for (; row + 1 < rows; row += 2) {
      multiplyTile(z, featureBytes + <usize>row * step, logitsOf(row) + ((<usize>c) << 2));
    }
    if (row < rows) multiplyOne(z, featureBytes + <usize>row * step, logitsOf(row) + ((<usize>c) << 2));
  }
}

/** One sample × four classes. */
function multiplyOne(z0: usize, q: usize, out: usize): void {
  const bytes = <usize>stride;
  const z1 = z0 + bytes,
    z2 = z1 + bytes,
    z3 = z2 + bytes;
  let a0 = i32x4.splat(0),
    a1 = a0,
    a2 = a0,
    a3 = a0;
  for (let at: usize = 0; at < bytes; at += 16) {
    const x = v128.load(q + at);
    a0 = dotBytes(v128.load(z0 + at), x, a0);
    a1 = dotBytes(v128.load(z1 + at), x, a1);
    a2 = dotBytes(v128.load(z2 + at), x, a2);
    a3 = dotBytes(v128.load(z3 + at), x, a3);
  }
  putInts(out, a0, a1, a2, a3);
}

/** Two samples × four classes. */
function multiplyTile(z0: usize, q: usize, out: usize): void {
  const bytes = <usize>stride;
  const z1 = z0 + bytes,
    z2 = z1 + bytes,
    z3 = z2 + bytes,
    q1 = q + bytes;
  let a0 = i32x4.splat(0),
    a1 = a0,
    a2 = a0,
    a3 = a0;
  let b0 = a0,
    b1 = a0,
    b2 = a0,
    b3 = a0;
  for (let at: usize = 0; at < bytes; at += 16) {
    const x = v128.load(q + at);
    const y = v128.load(q1 + at);
    let k = v128.load(z0 + at);
    a0 = dotBytes(k, x, a0);
    b0 = dotBytes(k, y, b0);
    k = v128.load(z1 + at);
    a1 = dotBytes(k, x, a1);
    b1 = dotBytes(k, y, b1);
    k = v128.load(z2 + at);
    a2 = dotBytes(k, x, a2);
    b2 = dotBytes(k, y, b2);
    k = v128.load(z3 + at);
    a3 = dotBytes(k, x, a3);
    b3 = dotBytes(k, y, b3);
  }
  putInts(out, a0, a1, a2, a3);
  putInts(out + ((<usize>logitStride()) << 2), b0, b1, b2, b3);
}

/** The sums of each one's lanes. */
function putInts(out: usize, a0: v128, a1: v128, a2: v128, a3: v128): void {
  store<i32>(out, sumInts(a0), 0);
  store<i32>(out, sumInts(a1), 4);
  store<i32>(out, sumInts(a2), 8);
  store<i32>(out, sumInts(a3), 12);
}

/** Bounds every logit of a sample and lists the contenders; returns how many there are (at least one). */
function boundLogits(row: i32): i32 {
  const products = logitsOf(row);
  const own = sampleFacts + ((<usize>row * SAMPLE_FACTS) << 3);
  const smallest = load<f64>(own, 0);
  const step = load<f64>(own, 8);
  const mean = load<f64>(own, 16);
  const spread = load<f64>(own, 24);
  const residual = load<f64>(own, 32);
  const magnitude = abs(smallest) * sqrt(<f64>stride) + step * 127 * sqrt(<f64>stride);
  const slope = step * spread;
  let best: f64 = -Infinity;
  for (let c = 0; c < classes; c++) {
    const fact = facts + ((<usize>c * CLASS_FACTS) << 3);
    const scale = load<f64>(fact, 0);
    const weights = load<f64>(fact, 8);
    const errors = load<f64>(fact, 16);
    const errorNorm = load<f64>(fact, 24);
    const weightNorm = load<f64>(fact, 32);
    const b = load<f64>(fact, 40);
    const product = <f64>load<i32>(products + ((<usize>c) << 2));
    const estimate = b + smallest * weights + step * (scale * product + mean * errors);
    const bound =
      slope * errorNorm + weightNorm * residual + SLACK * (abs(b) + weightNorm * (magnitude + residual));
    store<f64>(upper + ((<usize>c) << 3), estimate + bound);
    best = max<f64>(best, estimate - bound);
  }
  let n = 0;
  for (let c = 0; c < classes; c++) {
    store<i32>(contenders + ((<usize>n) << 2), c);
    n += i32(load<f64>(upper + ((<usize>c) << 3)) >= best);
  }
  return n;
}

/** The first `n` contenders' logits in float32, four at a time, exactly as `computeLogits` would; returns `n`. */
function computeContenders(h: usize, f: usize, n: i32): i32 {
  const step = (<usize>weightStride) << 2;
  const bytes = weightBytes;
  for (let i = 0; i < n; i += 4) {
    const c0 = contender(i);
    const c1 = contender(min(i + 1, n - 1));
    const c2 = contender(min(i + 2, n - 1));
    const c3 = contender(min(i + 3, n - 1));
    const w0 = weight + <usize>c0 * step;
    const w1 = weight + <usize>c1 * step;
    const w2 = weight + <usize>c2 * step;
    const w3 = weight + <usize>c3 * step;
    let a0 = f32x4.splat(0),
      a1 = a0,
      a2 = a0,
      a3 = a0;
    for (let at: usize = 0; at < bytes; at += 16) {
      const x = v128.load(h + at);
      a0 = multiplyAdd(v128.load(w0 + at), x, a0);
      a1 = multiplyAdd(v128.load(w1 + at), x, a1);
      a2 = multiplyAdd(v128.load(w2 + at), x, a2);
      a3 = multiplyAdd(v128.load(w3 + at), x, a3);
    }
    put(f, c0, a0);
    put(f, c1, a1);
    put(f, c2, a2);
    put(f, c3, a3);
  }
  return n;
}

function put(f: usize, c: i32, sum: v128): void {
  const at = (<usize>c) << 2;
  store<f32>(f + at, sumLanes(sum) + load<f32>(bias + at));
}
