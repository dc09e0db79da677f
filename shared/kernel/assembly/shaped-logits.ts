import { computeLogits, computeOne } from './logits';
import {
  bias,
  CHANNEL_BLOCK,
  channelList,
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
import { multiplyAdd, sumInts } from './simd';

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
  return sumInts(counts);
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
      if (kind === NOTHING) continue;
      const listEnd = listChannels(row, l, end, clip, kind);
      const into = out + <usize>row * outBytes;
      if (hasCopies) addChannels(into, listEnd);
      else gatherChannels(into, listEnd);
    }
  }
}

function logitsOf(row: i32): usize {
  return logits + ((<usize>row * <usize>logitStride()) << 2);
}

/** Whether fewer channels are dropped or clipped than contribute. */
function hasFewerChanges(row: i32, clip: f32): bool {
  const h = features + ((<usize>row * <usize>stride) << 2);
  const clips = f32x4.splat(clip);
  let balance = i32x4.splat(0);
  for (let l = 0; l < width; l += 4) {
    const x = v128.load(h + ((<usize>l) << 2));
    const value = v128.and(f32x4.pmin(x, clips), keptLanes(row, l));
    // Lanes that are true are −1.
    const contributes = f32x4.ne(value, f32x4.splat(0));
    balance = i32x4.add(balance, i32x4.sub(contributes, f32x4.ne(value, x)));
  }
  return sumInts(balance) < 0;
}

/** All ones in the lanes of channels l to l + 3 that the sample's mask keeps; l is a multiple of 4. */
function keptLanes(row: i32, l: i32): v128 {
  const bits = <i32>load<u8>(masks + <usize>row * <usize>maskStride + <usize>(l >> 3)) >> (l & 4);
  return i32x4.ne(v128.and(i32x4.splat(bits), i32x4(1, 2, 4, 8)), i32x4.splat(0));
}

/**
 * Lists the channels of [start, end) whose factor is not 0, rounded up to fours by zeros; returns where the list ends.
 * `start` is a multiple of 4; features behind the last are 0.
 */
function listChannels(row: i32, start: i32, end: i32, clip: f32, kind: u8): usize {
  const h = features + ((<usize>row * <usize>stride) << 2);
  const clips = f32x4.splat(kind === WHOLE ? Infinity : clip);
  const always = i32x4.splat(kind === WHOLE ? -1 : 0);
  const taken = i32x4.splat(kind === CHANGE ? -1 : 0);
  // Of the first class, where there is W by class alone.
  const first = <u32>(hasCopies ? transposed : weight);
  const step: u32 = hasCopies ? (<u32>classStride) << 2 : 4;
  let at = first + <u32>start * step;
  let to = channelList;
  for (let l = start; l < end; l += 4) {
    const x = v128.load(h + ((<usize>l) << 2));
    const value = v128.and(f32x4.pmin(x, clips), v128.or(keptLanes(row, l), always));
    const factors = f32x4.sub(value, v128.and(x, taken));
    const found = <usize>i32x4.bitmask(f32x4.ne(factors, f32x4.splat(0)));
    // Each is written, and stays where it is one of those found.
    store<u32>(to, at);
    v128.store_lane<f32>(to, factors, 0, 4);
    to += (found & 1) << 3;
    store<u32>(to, at + step);
    v128.store_lane<f32>(to, factors, 1, 4);
    to += (found & 2) << 2;
    store<u32>(to, at + 2 * step);
    v128.store_lane<f32>(to, factors, 2, 4);
    to += (found & 4) << 1;
    store<u32>(to, at + 3 * step);
    v128.store_lane<f32>(to, factors, 3, 4);
    to += found & 8;
    at += 4 * step;
  }
  for (; (to - channelList) & 31; to += 8) {
    store<u32>(to, first);
    store<f32>(to, 0, 4);
  }
  return to;
}

/**
 * out += Σ factor·W_channel, four channels at a time: one load and store of `out` for four rows of W. Eight at a time
 * take 1.25 to 1.35 times as long at 2048 × 1000 (rows are a page each, and a core follows few pages ahead), two 1.15.
 */
function addChannels(out: usize, listEnd: usize): void {
  const bytes = (<usize>classStride) << 2;
  for (let four = channelList; four < listEnd; four += 32) {
    const w0 = <usize>load<u32>(four, 0);
    const k0 = v128.load32_splat(four, 4);
    const w1 = <usize>load<u32>(four, 8);
    const k1 = v128.load32_splat(four, 12);
    const w2 = <usize>load<u32>(four, 16);
    const k2 = v128.load32_splat(four, 20);
    const w3 = <usize>load<u32>(four, 24);
    const k3 = v128.load32_splat(four, 28);
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
function gatherChannels(out: usize, listEnd: usize): void {
  const step = (<usize>weightStride) << 2;
  for (let at: usize = 0; at < (<usize>classes) << 2; at += 16) {
    const first = (at >> 2) * step;
    let sums = v128.load(out + at);
    for (let one = channelList; one < listEnd; one += 8) {
      const w = first + <usize>load<u32>(one);
      let x = v128.load32_zero(w);
      x = v128.load_lane<f32>(w + step, x, 1);
      x = v128.load_lane<f32>(w + 2 * step, x, 2);
      x = v128.load_lane<f32>(w + 3 * step, x, 3);
      sums = multiplyAdd(x, v128.load32_splat(one, 4), sums);
    }
    v128.store(out + at, sums);
  }
}

/** Where a sample remembers what of its channels is multiplied: the spare byte behind its mask. */
function kindOf(row: i32): usize {
  return masks + <usize>row * <usize>maskStride + <usize>maskStride - 1;
}
