import { computeLogits, computeOne } from './logits';
import {
  bias,
  CHANNEL_BLOCK,
  channelFactors,
  channelRows,
  classes,
  classStride,
  features,
  logitStride,
  logits,
  maskStride,
  masks,
  shaped,
  stride,
  transposed,
  weight,
  weightStride,
  width,
} from './memory';
import { hasCopies } from './prepare';
import { multiplyAdd } from './simd';

// f_m = Wᵀh̄ + b with h̄ = min(mask ⊙ h, λ), from W by channel: only channels that contribute are read. Since
// f_m = f − Wᵀ(h − h̄), the channels that were dropped or clipped will do as well where f is known; the fewer win.
// f itself can come from W by channel, too: features behind a ReLU have many zeros, and those channels are not read.
// Channels are taken block by block for all samples, so that W passes through the cache once for a batch.
//
// Before there is W by channel, the same channels are gathered from W by class, some ten times slower, in the same order:
// the results have the same bits.

/** What of a channel is multiplied: its feature, what is left of it, or what was taken away. */
const WHOLE: u8 = 0;
const SHAPED: u8 = 1;
const CHANGE: u8 = 2;
const NOTHING: u8 = 3;

/** Share of features other than 0 up to which W by channel is read in less time than W by class. */
const SPARSE: f32 = 0.8;

/**
 * f = W·h + b for `rows` samples: by channel for those with many zeros, by class for the others. Which way depends on
 * the sample alone, and so does its result.
 */
export function sparseLogits(rows: i32): void {
  let sparse = 0;
  for (let row = 0; row < rows; row++) {
    const isSparse = <f32>countFeatures(row) <= SPARSE * <f32>width;
    store<u8>(kindOf(row), isSparse ? WHOLE : NOTHING);
    sparse += i32(isSparse);
  }
  if (sparse === 0) {
    computeLogits(rows);
    return;
  }
  for (let row = 0; row < rows; row++) {
    if (load<u8>(kindOf(row)) === WHOLE) memory.copy(logitsOf(row), bias, (<usize>classStride) << 2);
    else computeOne(row);
  }
  addBlocks(rows, logits, (<usize>logitStride()) << 2, Infinity);
}

/** Features that are not 0. */
function countFeatures(row: i32): i32 {
  const h = features + ((<usize>row * <usize>stride) << 2);
  let counts = i32x4.splat(0);
  for (let at: usize = 0; at < (<usize>stride) << 2; at += 16) {
    counts = i32x4.sub(counts, f32x4.ne(v128.load(h + at), f32x4.splat(0)));
  }
  const pairs = i32x4.add(counts, v128.shuffle<i32>(counts, counts, 2, 3, 0, 1));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

/**
 * Shaped logits of `rows` samples whose masks the caller has written.
 * @param clip λ; Infinity does not clip
 * @param hasLogits the original logits are known, so either set of channels may be used
 */
export function shapeLogits(rows: i32, clip: f32, hasLogits: bool): void {
  for (let row = 0; row < rows; row++) {
    const isChange = hasLogits && hasFewerChanges(row, clip);
    const from = isChange ? logitsOf(row) : bias;
    memory.copy(shaped + ((<usize>row * <usize>classStride) << 2), from, (<usize>classStride) << 2);
    store<u8>(kindOf(row), isChange ? CHANGE : SHAPED);
  }
  addBlocks(rows, shaped, (<usize>classStride) << 2, clip);
}

/** Adds the channels of all samples to rows of `out`, each sample's of its kind. */
function addBlocks(rows: i32, out: usize, outBytes: usize, clip: f32): void {
  for (let l = 0; l < width; l += CHANNEL_BLOCK) {
    const end = min(l + CHANNEL_BLOCK, width);
    for (let row = 0; row < rows; row++) {
      const kind = load<u8>(kindOf(row));
      const n = kind === NOTHING ? 0 : listChannels(row, l, end, clip, kind);
      if (n === 0) continue;
      const into = out + <usize>row * outBytes;
      if (hasCopies) addChannels(into, n);
      else gatherChannels(into, n);
    }
  }
}

function logitsOf(row: i32): usize {
  return logits + ((<usize>row * <usize>logitStride()) << 2);
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

/** Lists the channels of [start, end) with the factor of each; returns how many, rounded up to fours by zeros. */
function listChannels(row: i32, start: i32, end: i32, clip: f32, kind: u8): i32 {
  const h = features + ((<usize>row * <usize>stride) << 2);
  const mask = masks + <usize>row * <usize>maskStride;
  // Of the first class, where there is W by class alone.
  const first = hasCopies ? transposed : weight;
  const step = hasCopies ? (<usize>classStride) << 2 : 4;
  let n: usize = 0;
  for (let l = start; l < end; l++) {
    const x = load<f32>(h + ((<usize>l) << 2));
    const isKept = (load<u8>(mask + <usize>(l >> 3)) >> <u8>(l & 7)) & 1;
    const value = isKept ? min<f32>(x, clip) : 0;
    const factor = kind === WHOLE ? x : kind === SHAPED ? value : value - x;
    store<u32>(channelRows + (n << 2), <u32>(first + <usize>l * step));
    store<f32>(channelFactors + (n << 2), factor);
    n += usize(factor !== 0);
  }
  const padded = (n + 3) & ~3;
  for (; n < padded; n++) {
    store<u32>(channelRows + (n << 2), <u32>first);
    store<f32>(channelFactors + (n << 2), 0);
  }
  return <i32>padded;
}

/**
 * out += Σ factor·W_channel, four channels at a time: one load and store of `out` for four rows of W. Eight at a time
 * take 1.25 to 1.35 times as long at 2048 × 1000 (rows are a page each, and a core follows few pages ahead), two 1.15.
 */
function addChannels(out: usize, n: i32): void {
  const bytes = (<usize>classStride) << 2;
  for (let i: usize = 0; i < (<usize>n) << 2; i += 16) {
    const rows = channelRows + i;
    const w0 = <usize>load<u32>(rows, 0);
    const w1 = <usize>load<u32>(rows, 4);
    const w2 = <usize>load<u32>(rows, 8);
    const w3 = <usize>load<u32>(rows, 12);
    const factors = channelFactors + i;
    const k0 = v128.load32_splat(factors, 0);
    const k1 = v128.load32_splat(factors, 4);
    const k2 = v128.load32_splat(factors, 8);
    const k3 = v128.load32_splat(factors, 12);
    for (let at: usize = 0; at < bytes; at += 32) {
      let low = multiplyAdd(v128.load(w0 + at), k0, v128.load(out + at));
      let high = multiplyAdd(v128.load(w0 + at, 16), k0, v128.load(out + at, 16));
      low = multiplyAdd(v128.load(w1 + at), k1, low);
      high = multiplyAdd(v128.load(w1 + at, 16), k1, high);
      low = multiplyAdd(v128.load(w2 + at), k2, low);
      high = multiplyAdd(v128.load(w2 + at, 16), k2, high);
      low = multiplyAdd(v128.load(w3 + at), k3, low);
      high = multiplyAdd(v128.load(w3 + at, 16), k3, high);
      v128.store(out + at, low);
      v128.store(out + at, high, 16);
    }
  }
}

/** As `addChannels`, four classes at a time, from W by class. The padding after W makes room for the last ones. */
function gatherChannels(out: usize, n: i32): void {
  const step = (<usize>weightStride) << 2;
  for (let at: usize = 0; at < (<usize>classes) << 2; at += 16) {
    const first = (at >> 2) * step;
    let sums = v128.load(out + at);
    for (let i: usize = 0; i < (<usize>n) << 2; i += 4) {
      const w = first + <usize>load<u32>(channelRows + i);
      let x = v128.load32_zero(w);
      x = v128.load_lane<f32>(w + step, x, 1);
      x = v128.load_lane<f32>(w + 2 * step, x, 2);
      x = v128.load_lane<f32>(w + 3 * step, x, 3);
      sums = multiplyAdd(x, v128.load32_splat(channelFactors + i), sums);
    }
    v128.store(out + at, sums);
  }
}

/** Where a sample remembers what of its channels is multiplied: the spare byte behind its mask. */
function kindOf(row: i32): usize {
  return masks + <usize>row * <usize>maskStride + <usize>maskStride - 1;
}
