import type { Head, Scores } from '../methods/contract.ts';
import type { MaskedHead } from '../methods/masked-head.ts';
import { cosineFlags, isZeroRow } from '../methods/smoothing.ts';
import { type KernelInstance, type KernelModule, loadFeatures, openKernel } from './kernel-module.ts';

/** A masked head in the kernel. */
export interface MaskedKernel {
  /** Scores samples; rows that float32 cannot hold are left to `scoreElsewhere`. */
  score(features: Float32Array, rows: number, out: Scores, scoreElsewhere: (row: number) => void): void;
  /** See `FeatureScorer`. */
  finish(): void;
}

/**
 * W as bytes costs a sample alone half a pass over W (measured: 0.09 ms against 0.16 ms at 2048 × 1000) and leaves the
 * second product to the kept channels. The original logits cost a pass over the channels that are not zero and allow
 * the dropped channels instead. So bytes win while 0.5 + kept ≤ 1 + (1 − kept), as long as no feature is zero; zeros make
 * both cheaper, and move the point at which they cost the same little.
 */
const MAX_KEPT_FOR_BYTES = 0.75;

/** Samples that are scored without copies of W by channel and as bytes: making those takes as long as four to six. */
const MAX_ROWS_WITHOUT_COPIES = 4;

/**
 * HIMPLoS and its parts in the kernel: predicted class, mask and clip, second product, cosine, score. Undefined where
 * the kernel cannot hold the head.
 */
export function prepareMaskedKernel(
  module: KernelModule,
  head: Head,
  masked: MaskedHead,
): MaskedKernel | undefined {
  const { width } = head;
  const { mask, clip, prototypes, smoothing, score } = masked;
  const maskBytes = Math.ceil(width / 8);
  // Every class keeps the same number of channels.
  const hasBytes =
    mask !== undefined && shareOfOnes(mask.subarray(0, maskBytes), width) <= MAX_KEPT_FOR_BYTES;
  // A negative λ would reach masked channels too: min(0, λ) is not 0.
  if (clip < 0) return undefined;
  const opened = openKernel(module, head, { hasChannels: true, hasBytes });
  if (opened === undefined) return undefined;
  const kernel: KernelInstance = opened;
  const { exports, predicted, masks, maskStride, prototype } = kernel;
  if (mask === undefined) masks.fill(0xff);
  // A view a class, made when it is first predicted: after that, requests allocate nothing.
  const maskRows: Uint8Array[] = [];
  const prototypeRows: Float32Array[] = [];

  function scoreRow(features: Float32Array, at: number, row: number): { cosine: number; flags: number } {
    result.cosine = Number.NaN;
    result.flags = 0;
    if (prototypes === undefined) return result;
    const c = predicted[row]!;
    prototypeRows[c] ??= rowOf(prototypes, c, width);
    prototype.set(prototypeRows[c]);
    const cosine = Math.max(-1, Math.min(1, exports.cosine(row)));
    result.cosine = cosine;
    if (!(cosine > 0)) {
      result.flags = cosineFlags(isZeroRow(features, at, width), exports.prototypeSquare.value !== 0);
    }
    return result;
  }
  const result = { cosine: Number.NaN, flags: 0 };

  let hasCopies = false;
  let isFirst = true;
  function finish(): void {
    if (!hasCopies) exports.deriveCopies();
    hasCopies = true;
  }

  function scoreRows(
    features: Float32Array,
    rows: number,
    out: Scores,
    scoreElsewhere: (row: number) => void,
  ): void {
    if (!isFirst || rows > MAX_ROWS_WITHOUT_COPIES) finish();
    isFirst = false;
    for (let from = 0; from < rows; from += kernel.maxRows) {
      const count = Math.min(kernel.maxRows, rows - from);
      loadFeatures(kernel, features, from, count, width);
      if (hasBytes && hasCopies) exports.certifyArgmax(count);
      else {
        if (hasBytes) exports.computeLogits(count);
        else exports.sparseLogits(count);
        exports.certifyLogits(count);
      }
      if (mask !== undefined) {
        for (let row = 0; row < count; row++) {
          const c = Math.max(0, predicted[row]!);
          maskRows[c] ??= rowOf(mask, c, maskBytes);
          masks.set(maskRows[c], row * maskStride);
        }
      }
      exports.shapeLogits(count, clip, Number(!hasBytes));
      for (let row = 0; row < count; row++) {
        if (predicted[row]! < 0) {
          scoreElsewhere(from + row);
          continue;
        }
        const { cosine, flags } = scoreRow(features, (from + row) * width, row);
        const scale = (smoothing.kind === 'scale' ? cosine : 1) / score.temperature;
        if (scale !== 1) exports.scaleShaped(row, scale);
        const sum = exports.sumExponentials(row);
        const largest = exports.largestShaped.value;
        const added = smoothing.kind === 'enhance' ? smoothing.alpha * cosine : 0;
        const at = from + row;
        if (score.kind === 'energy') out.score[at] = score.temperature * (largest + Math.log(sum)) + added;
        else if (score.kind === 'max') out.score[at] = score.temperature * largest + added;
        else out.score[at] = 1 / sum;
        out.predicted[at] = predicted[row]!;
        out.cosine[at] = cosine;
        out.flags[at] = flags;
      }
    }
  }

  return { score: scoreRows, finish };
}

function rowOf<T extends Uint8Array | Float32Array>(values: T, row: number, width: number): T {
  return values.subarray(row * width, (row + 1) * width) as T;
}

/** Share of set bits; `bits` counts those that mean something. */
function shareOfOnes(bytes: Uint8Array, bits: number): number {
  let ones = 0;
  for (let i = 0; i < bytes.length; i++) {
    let byte = bytes[i]!;
    byte -= (byte >> 1) & 0x55;
    byte = (byte & 0x33) + ((byte >> 2) & 0x33);
    ones += (byte + (byte >> 4)) & 0x0f;
  }
  return ones / bits;
}
