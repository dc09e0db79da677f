import { decodeBase64 } from '../formats/base64.ts';
import type { ResizeAxis } from './resize-axis.ts';
import { RESIZE_KERNEL } from './resize-kernel-bytes.ts';
import { copyColumns, type ResizeJob, type ResizePasses } from './resize-passes.ts';

/** What assembly/resize.ts exports (addresses as numbers). */
interface KernelExports {
  readonly memory: WebAssembly.Memory;
  resizeRows(
    input: number,
    inputStride: number,
    rows: number,
    starts: number,
    counts: number,
    weights: number,
    taps: number,
    length: number,
    out: number,
  ): void;
  resizeColumns(
    between: number,
    stride: number,
    begin: number,
    starts: number,
    counts: number,
    weights: number,
    taps: number,
    length: number,
    out: number,
  ): void;
}

const PAGE_BYTES = 2 ** 16;
/** Input rows are brought in by about this much at a time, so that they stay near the core. */
const BAND_BYTES = 2 ** 18;
/** The kernel reads and writes up to 15 bytes past what it is for. */
const SLACK_BYTES = 16;
/** The kernel's memory never shrinks; jobs that need more than this go to the plain passes. */
const MAX_MEMORY_BYTES = 64 * 2 ** 20;

/** The passes in WebAssembly SIMD. */
export class KernelPasses implements ResizePasses {
  readonly #kernel: KernelExports;

  private constructor(kernel: KernelExports) {
    this.#kernel = kernel;
  }

  /** Undefined where the runtime has no WebAssembly SIMD. */
  static open(): KernelPasses | undefined {
    if (typeof WebAssembly === 'undefined') return undefined;
    const bytes = decodeBase64(RESIZE_KERNEL);
    if (!WebAssembly.validate(bytes)) return undefined;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    return new KernelPasses(exports as unknown as KernelExports);
  }

  /** Whether a job fits into the memory this is allowed. */
  static fits(job: ResizeJob): boolean {
    return layOut(job).end <= MAX_MEMORY_BYTES;
  }

  run(job: ResizeJob): Uint8Array {
    const { across, down, stride, rows } = job;
    const { bandRows, tablesAcross, tablesDown, band, between, result, end } = layOut(job);
    const missing = end - this.#kernel.memory.buffer.byteLength;
    if (missing > 0) this.#kernel.memory.grow(Math.ceil(missing / PAGE_BYTES));
    const memory = new Uint8Array(this.#kernel.memory.buffer);
    const firstResult = down === null ? result : between;
    if (across === null) copyColumns(job, memory.subarray(firstResult, firstResult + rows * stride));
    else {
      const tables = this.#store(across, tablesAcross);
      for (let y = 0; y < rows; y += bandRows) {
        const count = Math.min(bandRows, rows - y);
        this.#resizeBand(job, across, tables, y, count, band, firstResult + y * stride);
      }
    }
    if (down !== null) {
      const { starts, counts, weights } = this.#store(down, tablesDown);
      const { begin, taps, length } = down;
      this.#kernel.resizeColumns(between, stride, begin, starts, counts, weights, taps, length, result);
    }
    return memory.subarray(result, result + (down?.length ?? rows) * stride);
  }

  #resizeBand(
    { pixels, inputStride, top }: ResizeJob,
    { taps, length }: ResizeAxis,
    { starts, counts, weights }: Tables,
    y: number,
    rows: number,
    band: number,
    out: number,
  ): void {
    const from = (top + y) * inputStride;
    new Uint8Array(this.#kernel.memory.buffer).set(pixels.subarray(from, from + rows * inputStride), band);
    this.#kernel.resizeRows(band, inputStride, rows, starts, counts, weights, taps, length, out);
  }

  #store({ starts, counts, weights, length }: ResizeAxis, at: number): Tables {
    const words = new Int32Array(this.#kernel.memory.buffer, at, 2 * length + weights.length);
    words.set(starts);
    words.set(counts, length);
    words.set(weights, 2 * length);
    return { starts: at, counts: at + 4 * length, weights: at + 8 * length };
  }
}

/** Addresses of an axis's tables. */
interface Tables {
  readonly starts: number;
  readonly counts: number;
  readonly weights: number;
}

/** Where everything stands in the kernel's memory. */
function layOut({ inputStride, rows, stride, across, down }: ResizeJob) {
  const tablesAcross = SLACK_BYTES;
  const tablesDown = tablesAcross + tableBytes(across);
  const band = tablesDown + tableBytes(down);
  const bandRows = Math.min(rows, Math.max(1, Math.floor(BAND_BYTES / inputStride)));
  const between = band + (across === null ? 0 : bandRows * inputStride) + SLACK_BYTES;
  const result = between + (down === null ? 0 : rows * stride) + SLACK_BYTES;
  const end = result + (down?.length ?? rows) * stride + SLACK_BYTES;
  return { bandRows, tablesAcross, tablesDown, band, between, result, end };
}

function tableBytes(axis: ResizeAxis | null): number {
  return axis === null ? 0 : 4 * (2 * axis.length + axis.weights.length);
}
