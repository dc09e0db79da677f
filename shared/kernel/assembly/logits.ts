import {
  bias,
  classes,
  features,
  logitStride,
  logits,
  stride,
  weight,
  weightBytes,
  weightStride,
} from './memory';
import { multiplyAdd, sumLanes } from './simd';

/**
 * f = W·h + b for `rows` samples. Every dot product runs over one accumulator of four lanes whatever the tile, so
 * a sample's logits do not depend on which others are scored with it. Samples stay in cache while W streams
 * through once.
 */
export function computeLogits(rows: i32): void {
  if (rows === 1) {
    computeOne(0);
    return;
  }
  const step = (<usize>stride) << 2;
  for (let c = 0; c < classes; c += 5) {
    const w = weight + ((<usize>c * <usize>weightStride) << 2);
    for (let row = 0; row < rows; row += 2) {
      // An odd last sample is computed together with the spare row behind it.
      tile(
        features + <usize>row * step,
        w,
        logits + ((<usize>row * <usize>logitStride() + <usize>c) << 2),
        c,
      );
    }
  }
}

/** The same for one sample: eight classes at a time hide the latency of the addition. */
export function computeOne(row: i32): void {
  const step = (<usize>weightStride) << 2;
  const bytes = weightBytes;
  const h = features + ((<usize>row * <usize>stride) << 2);
  const out = logits + ((<usize>row * <usize>logitStride()) << 2);
  for (let c = 0; c < classes; c += 8) {
    const w = weight + <usize>c * step;
    let a0 = f32x4.splat(0),
      a1 = a0,
      a2 = a0,
      a3 = a0,
      a4 = a0,
      a5 = a0,
      a6 = a0,
      a7 = a0;
    const w4 = w + 4 * step;
    for (let at: usize = 0; at < bytes; at += 16) {
      const x = v128.load(h + at);
      a0 = multiplyAdd(v128.load(w + at), x, a0);
      a1 = multiplyAdd(v128.load(w + step + at), x, a1);
      a2 = multiplyAdd(v128.load(w + 2 * step + at), x, a2);
      a3 = multiplyAdd(v128.load(w + 3 * step + at), x, a3);
      a4 = multiplyAdd(v128.load(w4 + at), x, a4);
      a5 = multiplyAdd(v128.load(w4 + step + at), x, a5);
      a6 = multiplyAdd(v128.load(w4 + 2 * step + at), x, a6);
      a7 = multiplyAdd(v128.load(w4 + 3 * step + at), x, a7);
    }
    const b = bias + ((<usize>c) << 2);
    const f = out + ((<usize>c) << 2);
    store<f32>(f, sumLanes(a0) + load<f32>(b), 0);
    store<f32>(f, sumLanes(a1) + load<f32>(b, 4), 4);
    store<f32>(f, sumLanes(a2) + load<f32>(b, 8), 8);
    store<f32>(f, sumLanes(a3) + load<f32>(b, 12), 12);
    store<f32>(f, sumLanes(a4) + load<f32>(b, 16), 16);
    store<f32>(f, sumLanes(a5) + load<f32>(b, 20), 20);
    store<f32>(f, sumLanes(a6) + load<f32>(b, 24), 24);
    store<f32>(f, sumLanes(a7) + load<f32>(b, 28), 28);
  }
}

/** Two samples × five classes: ten accumulators and three operands, what sixteen registers hold. */
function tile(h: usize, w: usize, out: usize, c: i32): void {
  const step = (<usize>weightStride) << 2;
  const bytes = weightBytes;
  let a0 = f32x4.splat(0),
    a1 = a0,
    a2 = a0,
    a3 = a0,
    a4 = a0;
  let b0 = a0,
    b1 = a0,
    b2 = a0,
    b3 = a0,
    b4 = a0;
  const h1 = h + ((<usize>stride) << 2);
  const w1 = w + step,
    w2 = w1 + step,
    w3 = w2 + step,
    w4 = w3 + step;
  for (let at: usize = 0; at < bytes; at += 16) {
    const x = v128.load(h + at);
    const y = v128.load(h1 + at);
    let k = v128.load(w + at);
    a0 = multiplyAdd(k, x, a0);
    b0 = multiplyAdd(k, y, b0);
    k = v128.load(w1 + at);
    a1 = multiplyAdd(k, x, a1);
    b1 = multiplyAdd(k, y, b1);
    k = v128.load(w2 + at);
    a2 = multiplyAdd(k, x, a2);
    b2 = multiplyAdd(k, y, b2);
    k = v128.load(w3 + at);
    a3 = multiplyAdd(k, x, a3);
    b3 = multiplyAdd(k, y, b3);
    k = v128.load(w4 + at);
    a4 = multiplyAdd(k, x, a4);
    b4 = multiplyAdd(k, y, b4);
  }
  const b = bias + ((<usize>c) << 2);
  const next = out + ((<usize>logitStride()) << 2);
  store<f32>(out, sumLanes(a0) + load<f32>(b), 0);
  store<f32>(out, sumLanes(a1) + load<f32>(b, 4), 4);
  store<f32>(out, sumLanes(a2) + load<f32>(b, 8), 8);
  store<f32>(out, sumLanes(a3) + load<f32>(b, 12), 12);
  store<f32>(out, sumLanes(a4) + load<f32>(b, 16), 16);
  store<f32>(next, sumLanes(b0) + load<f32>(b), 0);
  store<f32>(next, sumLanes(b1) + load<f32>(b, 4), 4);
  store<f32>(next, sumLanes(b2) + load<f32>(b, 8), 8);
  store<f32>(next, sumLanes(b3) + load<f32>(b, 12), 12);
  store<f32>(next, sumLanes(b4) + load<f32>(b, 16), 16);
}
