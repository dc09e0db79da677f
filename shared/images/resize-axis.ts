import { HimplosError } from '../errors.ts';

/** Fraction bits of a weight: a byte times a weight, summed over a window, stays inside 32 bits. */
export const WEIGHT_BITS = 22;

/**
 * The longest window. Each weight is at most half a unit too large, and 2^14 halves times 255 are less than half
 * of 2^22: no sum of weighted bytes rounds to more than 255, and the passes need not clip as Pillow's do.
 */
const MAX_TAPS = 2 ** 14;
/** The longest axis: twice JPEG's longest, and a plan for it stays under 2 MiB. */
const MAX_AXIS = 2 ** 17;

/** How the positions `from` ≤ o < `to` of one resized axis are made from the input's positions. */
export interface ResizeAxis {
  /** Number of output positions, `to − from`. */
  readonly length: number;
  /** The first input position that any output needs, and the one after the last. */
  readonly begin: number;
  readonly end: number;
  /** First input position of each output's window. */
  readonly starts: Int32Array;
  /** Length of each output's window. */
  readonly counts: Int32Array;
  /** Row length of `weights`: the longest a window can be. */
  readonly taps: number;
  /** length × taps: weights of each window as fractions of 2^WEIGHT_BITS, all ≥ 0. */
  readonly weights: Int32Array;
}

/**
 * Pillow's antialiased bilinear filter along one axis: for the output position o with centre
 * c = (o + ½)·scale, scale = inputSize / outputSize, the triangle max(0, 1 − |x + ½ − c| / s) of half-width
 * s = max(1, scale), over the input positions x that it touches, divided by its sum in float64 and rounded to
 * 22-bit fractions. (Algorithm: ImagingResample in Pillow's Resample.c. Its order of float64 operations is kept,
 * because a sum that rounds otherwise moves a weight by one unit and so, rarely, a pixel.)
 *
 * @param from first output position wanted
 * @param to the one after the last, ≤ outputSize; positions outside cost nothing
 * @throws `too-large` when the axis is longer than 131,072 or shrinks more than 8191-fold
 */
export function planResizeAxis(inputSize: number, outputSize: number, from: number, to: number): ResizeAxis {
  const scale = inputSize / outputSize;
  const support = Math.max(1, scale);
  const inverse = 1 / support;
  const taps = Math.ceil(support) * 2 + 1;
  if (inputSize > MAX_AXIS || taps > MAX_TAPS) {
    throw new HimplosError(
      'too-large',
      `resizing ${inputSize} pixels to ${outputSize}: expected at most ${MAX_AXIS} pixels, shrunk at most 8191-fold`,
      { hint: 'make the image smaller first' },
    );
  }
  const length = to - from;
  const starts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Int32Array(length * taps);
  const window = new Float64Array(taps);
  for (let o = 0; o < length; o++) {
    const center = (from + o + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(inputSize, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const distance = Math.abs((k + start - center + 0.5) * inverse);
      const weight = distance < 1 ? 1 - distance : 0;
      window[k] = weight;
      sum += weight;
    }
    for (let k = 0; k < count; k++) {
      weights[o * taps + k] = Math.trunc(0.5 + (window[k]! / sum) * 2 ** WEIGHT_BITS);
    }
    starts[o] = start;
    counts[o] = count;
  }
  // Windows move to the right only, so the first one begins first and the last one ends last.
  const last = length - 1;
  const end = starts[last]! + counts[last]!;
  return { length, begin: starts[0]!, end, starts, counts, taps, weights };
}
