import { selectInPlace } from '../../maths/select.ts';
import type { Head, Param } from '../contract.ts';
import { parseNumber } from '../params.ts';

/**
 * HIMPLoS's feature masks (eq. 3): class c keeps the k channels with the largest signed weights; ties at the last
 * place go to the lowest channels. Packed C × ⌈L/8⌉ bytes, channel l is bit l mod 8 of byte ⌊l/8⌋; bits past L are 0.
 * @param percent masking percentile p, such that k ≥ 1
 */
export function packMasks({ classes, width, weight }: Head, percent: number): Uint8Array {
  const kept = countKept(width, percent);
  const rowBytes = maskBytes(width);
  const packed = new Uint8Array(classes * rowBytes);
  const reordered = new Float64Array(width);
  for (let c = 0; c < classes; c++) {
    const weights = weight.subarray(c * width, (c + 1) * width);
    reordered.set(weights);
    const least = selectInPlace(reordered, width, width - kept);
    let ties = kept;
    for (let l = 0; l < width; l++) if (weights[l]! > least) ties--;
    for (let l = 0; l < width; l++) {
      const isKept = weights[l]! > least || (weights[l] === least && ties-- > 0);
      if (isKept) packed[c * rowBytes + (l >> 3)]! |= 1 << (l & 7);
    }
  }
  return packed;
}

/** One byte (0 or 1) a channel, C × L. */
export function unpackMasks(packed: Uint8Array, classes: number, width: number): Uint8Array {
  const rowBytes = maskBytes(width);
  const mask = new Uint8Array(classes * width);
  for (let c = 0; c < classes; c++) {
    for (let l = 0; l < width; l++) mask[c * width + l] = (packed[c * rowBytes + (l >> 3)]! >> (l & 7)) & 1;
  }
  return mask;
}

/** k = ⌊L·(100 − p)/100 + 0.5⌋, the number of channels that stay. */
export function countKept(width: number, percent: number): number {
  return Math.floor((width * (100 - percent)) / 100 + 0.5);
}

/** Bytes of one class's packed mask. */
export function maskBytes(width: number): number {
  return Math.ceil(width / 8);
}

/** The parameter `mask=50`: the percentage of channels masked; `none` is 0. */
export function maskParam(fallback: number): Param<number> {
  return {
    default: String(fallback),
    expects: 'a percentage from 0 up to, but not including, 100, or none',
    parse: (text) => {
      const value = text === 'none' ? 0 : parseNumber(text);
      return value !== undefined && value >= 0 && value < 100 ? value : undefined;
    },
    format: (value) => (value === 0 ? 'none' : String(value)),
  };
}
