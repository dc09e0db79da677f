import type { ResizeAxis } from './resize-axis.ts';

/** What both passes of a resize are to do. */
export interface ResizeJob {
  /** RGB, `inputStride` bytes a row. */
  readonly pixels: Uint8Array;
  readonly inputStride: number;
  /** First column wanted, where there is no horizontal pass. */
  readonly left: number;
  /** Rows of `pixels` that the vertical pass, or the result, begins and ends with. */
  readonly top: number;
  readonly rows: number;
  /** Bytes a row of the result. */
  readonly stride: number;
  /** The horizontal pass; null: the width stays. */
  readonly across: ResizeAxis | null;
  /** The vertical pass; null: the height stays. */
  readonly down: ResizeAxis | null;
}

/** A way to do both passes. It owns memory, so it serves one caller at a time. */
export interface ResizePasses {
  /** The resized rows, `stride` bytes each, valid until the next call. */
  run(job: ResizeJob): Uint8Array;
}

/** Copies the columns from `left` on, `stride` bytes of each row, close together: a horizontal pass that keeps the width. */
export function copyColumns(
  { pixels, inputStride, left, top, rows, stride }: ResizeJob,
  out: Uint8Array,
): void {
  for (let y = 0; y < rows; y++) {
    const start = (top + y) * inputStride + left * 3;
    out.set(pixels.subarray(start, start + stride), y * stride);
  }
}
