import type { Linear } from './linear.ts';
import { KERNEL_START, openSumsKernel } from './sums-kernel.ts';

/** Applies a linear layer to rows, as `applyLinear` does. */
export type ApplyLinear = (linear: Linear, x: Float64Array, rows: number, out: Float64Array) => void;

/** Rows of x that the kernel holds: 32 × 2048 float64 are 512 KiB. */
const TILE_ROWS = 32;
/** Rows of x, and classes, that are worked on together. */
const PANEL = 4;

/** The last one that was made, for its width. */
let latest: { readonly width: number; readonly apply: ApplyLinear | undefined } | undefined;

/** A linear layer in WebAssembly SIMD for rows of that width; undefined where it is impossible. */
export function kernelLinear(width: number): ApplyLinear | undefined {
  if (latest?.width !== width) latest = { width, apply: openLinear(width) };
  return latest.apply;
}

/** Every sum runs over the channels from 0 upwards, with lanes side by side. */
function openLinear(width: number): ApplyLinear | undefined {
  const xAt = KERNEL_START;
  const wideAt = xAt + 8 * TILE_ROWS * width;
  const weightAt = wideAt + 8 * PANEL * width;
  const outAt = weightAt + 4 * PANEL * width;
  const kernel = openSumsKernel(outAt + 8 * TILE_ROWS * PANEL);
  if (kernel === undefined) return undefined;
  const { buffer } = kernel.memory;
  const packed = new Float64Array(buffer, xAt, TILE_ROWS * width);
  const staged = new Float32Array(buffer, weightAt, PANEL * width);
  const products = new Float64Array(buffer, outAt, TILE_ROWS * PANEL);
  return ({ classes, weight, bias }, x, rows, out) => {
    for (let top = 0; top < rows; top += TILE_ROWS) {
      const count = Math.min(TILE_ROWS, rows - top);
      const panels = Math.ceil(count / PANEL);
      // What stands in a panel that is not full, and behind the last class, gives products that nobody reads.
      for (let row = 0; row < count; row++) pack(x, (top + row) * width, width, packed, row);
      for (let c = 0; c < classes; c += PANEL) {
        const end = Math.min(classes, c + PANEL);
        staged.set(weight.subarray(c * width, end * width));
        kernel.multiplyPanels(xAt, panels, weightAt, wideAt, width, outAt);
        for (let row = 0; row < count; row++) {
          const to = (top + row) * classes;
          for (let own = c; own < end; own++) out[to + own] = products[PANEL * row + own - c]! + bias[own]!;
        }
      }
    }
  };
}

function pack(x: Float64Array, from: number, width: number, packed: Float64Array, row: number): void {
  const to = (row - (row % PANEL)) * width + (row % PANEL);
  for (let l = 0; l < width; l++) packed[to + PANEL * l] = x[from + l]!;
}
