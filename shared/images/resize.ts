import { HimplosError } from '../errors.ts';
import { planResizeAxis, type ResizeAxis } from './resize-axis.ts';
import { resizeColumns, resizeRows } from './resize-passes.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A rectangle of pixels. */
export interface Region extends Size {
  readonly left: number;
  readonly top: number;
}

/** Bytes between the two passes above which an image is refused: 8000 rows × 4096 pixels need 94 MiB. */
const MAX_SCRATCH_BYTES = 256 * 2 ** 20;
/** Plans kept, by size and region: a set of photographs has a handful of sizes. */
const MAX_PLANS = 64;

/**
 * Pillow's `Image.resize(size, BILINEAR)` on RGB bytes, bit for bit, computing no more than a region of the
 * result: a horizontal pass rounded to bytes, then a vertical one, each left out along an axis that keeps its
 * size. Keeps plans and scratch memory, so one instance serves one caller at a time.
 *
 * Speed: resize to 256 and crop 224 of a 500 × 402 photograph 1.4 ms, of a 900 × 120 strip 0.6 ms, where
 * Pillow 13's resize alone takes 1.3 ms and 3.3 ms on the same machine.
 */
export class Resizer {
  readonly #plans = new Map<string, ResizeAxis>();
  #between = new Uint8Array(0);
  #result = new Uint8Array(0);

  /**
   * @param pixels height × width × 3 bytes
   * @param from the size of `pixels`
   * @param to the size of the whole resized image
   * @param region the part of it that is wanted, inside it and not empty
   * @returns region.height × region.width × 3 bytes, valid until the next call
   */
  resize(pixels: Uint8Array, from: Size, to: Size, region: Region): Uint8Array {
    const right = region.left + region.width;
    const bottom = region.top + region.height;
    const across = from.width === to.width ? null : this.#plan(from.width, to.width, region.left, right);
    const down = from.height === to.height ? null : this.#plan(from.height, to.height, region.top, bottom);
    const top = down?.begin ?? region.top;
    const rows = (down?.end ?? bottom) - top;
    const stride = region.width * 3;
    if (rows * stride > MAX_SCRATCH_BYTES) {
      throw new HimplosError(
        'too-large',
        `resizing ${from.width} × ${from.height} pixels to ${to.width} × ${to.height} needs more than ${MAX_SCRATCH_BYTES / 2 ** 20} MiB between its passes`,
        { hint: 'make the image smaller first' },
      );
    }
    this.#result = grown(this.#result, region.height * stride);
    const result = this.#result.subarray(0, region.height * stride);
    let between = result;
    if (down !== null) {
      this.#between = grown(this.#between, rows * stride);
      between = this.#between.subarray(0, rows * stride);
    }
    if (across === null) copyColumns(pixels, from.width, region.left, top, rows, between, stride);
    else resizeRows(pixels, from.width * 3, top, rows, across, between);
    if (down !== null) resizeColumns(between, stride, down, result);
    return result;
  }

  #plan(inputSize: number, outputSize: number, from: number, to: number): ResizeAxis {
    const key = `${inputSize}:${outputSize}:${from}:${to}`;
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = planResizeAxis(inputSize, outputSize, from, to);
      if (this.#plans.size === MAX_PLANS) this.#plans.delete(this.#plans.keys().next().value!);
      this.#plans.set(key, plan);
    }
    return plan;
  }
}

function grown(buffer: Uint8Array<ArrayBuffer>, bytes: number): Uint8Array<ArrayBuffer> {
  return buffer.length >= bytes ? buffer : new Uint8Array(bytes);
}

function copyColumns(
  pixels: Uint8Array,
  width: number,
  left: number,
  top: number,
  rows: number,
  out: Uint8Array,
  stride: number,
): void {
  for (let y = 0; y < rows; y++) {
    const start = ((top + y) * width + left) * 3;
    out.set(pixels.subarray(start, start + stride), y * stride);
  }
}
