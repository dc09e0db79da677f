import { HimplosError } from '../errors.ts';
import { planResizeAxis, type ResizeAxis } from './resize-axis.ts';
import { KernelPasses } from './resize-kernel.ts';
import type { ResizeJob, ResizePasses } from './resize-passes.ts';
import { PlainPasses } from './resize-plain.ts';

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
 * Speed: 500 × 375 to 341 × 256 0.45 ms, 2000 × 1500 to the same 4.2 ms; Pillow 13 takes 1.3 ms and 10.9 ms on the
 * same machine.
 */
export class Resizer {
  readonly #plans = new Map<string, ResizeAxis>();
  readonly #kernel: KernelPasses | undefined;
  #plain: ResizePasses | undefined;

  /** @param kernel what does the work where it can; by default WebAssembly SIMD where the runtime has it */
  constructor(kernel: KernelPasses | null = KernelPasses.open() ?? null) {
    this.#kernel = kernel ?? undefined;
  }

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
    const inputStride = from.width * 3;
    return this.#run({ pixels, inputStride, left: region.left, top, rows, stride, across, down });
  }

  #run(job: ResizeJob): Uint8Array {
    if (this.#kernel !== undefined && KernelPasses.fits(job)) return this.#kernel.run(job);
    this.#plain ??= new PlainPasses();
    return this.#plain.run(job);
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
