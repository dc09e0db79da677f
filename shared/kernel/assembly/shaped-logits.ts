import {
  bias,
  CHANNEL_BLOCK,
  channelFactors,
  channelRows,
  classStride,
  features,
  logitStride,
  logits,
  maskStride,
  masks,
  shaped,
  stride,
  transposed,
  width,
} from './memory';
import { multiplyAdd } from './simd';

// f_m = Wᵀh̄ + b with h̄ = min(mask ⊙ h, λ), from W by channel: only channels that contribute are read. Since
// f_m = f − Wᵀ(h − h̄), the channels that were dropped or clipped will do as well where f is known; the fewer win.
// Channels are taken block by block for all samples, so that W passes through the cache once for a batch.

/**
 * Shaped logits of `rows` samples whose masks the caller has written.
 * @param clip λ; Infinity does not clip
 * @param hasLogits the original logits are known, so either set of channels may be used
 */
export function shapeLogits(rows: i32, clip: f32, hasLogits: bool): void {
  for (let row = 0; row < rows; row++) {
    const isChange = hasLogits && hasFewerChanges(row, clip);
    const from = isChange ? logits + ((<usize>row * <usize>logitStride()) << 2) : bias;
    memory.copy(shaped + ((<usize>row * <usize>classStride) << 2), from, (<usize>classStride) << 2);
    store<u8>(flagOf(row), u8(isChange));
  }
  for (let l = 0; l < width; l += CHANNEL_BLOCK) {
    const end = min(l + CHANNEL_BLOCK, width);
    for (let row = 0; row < rows; row++) {
      const n = listChannels(row, l, end, clip, load<u8>(flagOf(row)) !== 0);
      if (n > 0) addChannels(shaped + ((<usize>row * <usize>classStride) << 2), n);
    }
  }
}

/** Whether fewer channels are dropped or clipped than contribute. */
function hasFewerChanges(row: i32, clip: f32): bool {
  const h = features + ((<usize>row * <usize>stride) << 2);
  const mask = masks + <usize>row * <usize>maskStride;
  let kept = 0;
  let changed = 0;
  for (let l = 0; l < width; l++) {
    const x = load<f32>(h + ((<usize>l) << 2));
    const isKept = (load<u8>(mask + <usize>(l >> 3)) >> <u8>(l & 7)) & 1;
    const value = isKept ? min<f32>(x, clip) : 0;
    kept += i32(value !== 0);
    changed += i32(value !== x);
  }
  return changed < kept;
}

/** Lists the channels of [start, end) with the factor of each; returns how many, rounded up to eights by zeros. */
function listChannels(row: i32, start: i32, end: i32, clip: f32, isChange: bool): i32 {
  const h = features + ((<usize>row * <usize>stride) << 2);
  const mask = masks + <usize>row * <usize>maskStride;
  let n: usize = 0;
  for (let l = start; l < end; l++) {
    const x = load<f32>(h + ((<usize>l) << 2));
    const isKept = (load<u8>(mask + <usize>(l >> 3)) >> <u8>(l & 7)) & 1;
    const value = isKept ? min<f32>(x, clip) : 0;
    const factor = isChange ? value - x : value;
    store<u32>(channelRows + (n << 2), <u32>(transposed + ((<usize>l * <usize>classStride) << 2)));
    store<f32>(channelFactors + (n << 2), factor);
    n += usize(factor !== 0);
  }
  const padded = (n + 7) & ~7;
  for (; n < padded; n++) {
    store<u32>(channelRows + (n << 2), <u32>transposed);
    store<f32>(channelFactors + (n << 2), 0);
  }
  return <i32>padded;
}

/** out += Σ factor·W_channel, eight channels at a time: one load and store of `out` for eight rows of W. */
function addChannels(out: usize, n: i32): void {
  const bytes = (<usize>classStride) << 2;
  for (let i: usize = 0; i < (<usize>n) << 2; i += 32) {
    const rows = channelRows + i;
    const w0 = <usize>load<u32>(rows, 0);
    const w1 = <usize>load<u32>(rows, 4);
    const w2 = <usize>load<u32>(rows, 8);
    const w3 = <usize>load<u32>(rows, 12);
    const w4 = <usize>load<u32>(rows, 16);
    const w5 = <usize>load<u32>(rows, 20);
    const w6 = <usize>load<u32>(rows, 24);
    const w7 = <usize>load<u32>(rows, 28);
    const factors = channelFactors + i;
    const k0 = v128.load32_splat(factors, 0);
    const k1 = v128.load32_splat(factors, 4);
    const k2 = v128.load32_splat(factors, 8);
    const k3 = v128.load32_splat(factors, 12);
    const k4 = v128.load32_splat(factors, 16);
    const k5 = v128.load32_splat(factors, 20);
    const k6 = v128.load32_splat(factors, 24);
    const k7 = v128.load32_splat(factors, 28);
    for (let at: usize = 0; at < bytes; at += 16) {
      let sum = f32x4.mul(v128.load(w0 + at), k0);
      sum = multiplyAdd(v128.load(w1 + at), k1, sum);
      sum = multiplyAdd(v128.load(w2 + at), k2, sum);
      sum = multiplyAdd(v128.load(w3 + at), k3, sum);
      sum = multiplyAdd(v128.load(w4 + at), k4, sum);
      sum = multiplyAdd(v128.load(w5 + at), k5, sum);
      sum = multiplyAdd(v128.load(w6 + at), k6, sum);
      sum = multiplyAdd(v128.load(w7 + at), k7, sum);
      v128.store(out + at, f32x4.add(v128.load(out + at), sum));
    }
  }
}

/** Where a sample remembers which set of channels it uses: the spare byte behind its mask. */
function flagOf(row: i32): usize {
  return masks + <usize>row * <usize>maskStride + <usize>maskStride - 1;
}
