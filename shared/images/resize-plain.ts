import { type ResizeAxis, WEIGHT_BITS } from './resize-axis.ts';
import { copyColumns, type ResizeJob, type ResizePasses } from './resize-passes.ts';

/** Sums start at a half, so that the shift rounds. */
const HALF = 1 << (WEIGHT_BITS - 1);

/**
 * The passes in TypeScript: what the kernel is compared with, and what runs where there is no WebAssembly SIMD or an
 * image is too large for it. Three to six times as slow.
 */
export class PlainPasses implements ResizePasses {
  #between = new Uint8Array(0);
  #result = new Uint8Array(0);

  run(job: ResizeJob): Uint8Array {
    const { across, down, stride, rows } = job;
    const resultBytes = (down?.length ?? rows) * stride;
    this.#result = grown(this.#result, resultBytes);
    const result = this.#result.subarray(0, resultBytes);
    let between = result;
    if (down !== null) {
      this.#between = grown(this.#between, rows * stride);
      between = this.#between.subarray(0, rows * stride);
    }
    if (across === null) copyColumns(job, between);
    else resizeRows(job, across, between);
    if (down !== null) resizeColumns(between, stride, down, result);
    return result;
  }
}

function grown(buffer: Uint8Array<ArrayBuffer>, bytes: number): Uint8Array<ArrayBuffer> {
  return buffer.length >= bytes ? buffer : new Uint8Array(bytes);
}

// Both passes keep a pixel's three sums in registers; `| 0` lets the engine multiply and add 32-bit integers.
// No sum leaves 0 … 255 after the shift, so nothing is clipped: see MAX_TAPS in resize-axis.ts.

function resizeRows({ pixels, inputStride, top, rows }: ResizeJob, plan: ResizeAxis, out: Uint8Array): void {
  const { length, starts, counts, taps, weights } = plan;
  let q = 0;
  for (let y = 0; y < rows; y++) {
    const row = (top + y) * inputStride;
    for (let o = 0; o < length; o++) {
      let i = row + starts[o]! * 3;
      let k = o * taps;
      const end = k + counts[o]!;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (; k < end; k++) {
        const weight = weights[k]!;
        red = (red + pixels[i]! * weight) | 0;
        green = (green + pixels[i + 1]! * weight) | 0;
        blue = (blue + pixels[i + 2]! * weight) | 0;
        i += 3;
      }
      out[q] = red >> WEIGHT_BITS;
      out[q + 1] = green >> WEIGHT_BITS;
      out[q + 2] = blue >> WEIGHT_BITS;
      q += 3;
    }
  }
}

/** @param between the rows from `plan.begin` on, `stride` bytes each */
function resizeColumns(between: Uint8Array, stride: number, plan: ResizeAxis, out: Uint8Array): void {
  const { length, begin, starts, counts, taps, weights } = plan;
  let q = 0;
  for (let o = 0; o < length; o++) {
    const row = (starts[o]! - begin) * stride;
    const first = o * taps;
    const end = first + counts[o]!;
    for (let x = 0; x < stride; x += 3) {
      let i = row + x;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let k = first; k < end; k++) {
        const weight = weights[k]!;
        red = (red + between[i]! * weight) | 0;
        green = (green + between[i + 1]! * weight) | 0;
        blue = (blue + between[i + 2]! * weight) | 0;
        i += stride;
      }
      out[q] = red >> WEIGHT_BITS;
      out[q + 1] = green >> WEIGHT_BITS;
      out[q + 2] = blue >> WEIGHT_BITS;
      q += 3;
    }
  }
}
