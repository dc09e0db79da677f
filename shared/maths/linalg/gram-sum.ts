import { KERNEL_START, openSumsKernel } from '../sums-kernel.ts';
import { addGramUpper } from './multiply-transposed.ts';

/** The float64 sum of x·xᵀ over float32 rows x. */
export interface GramSum {
  /**
   * Adds rows: first the sum over these rows, in order, is made, then it is added to what there is.
   * @param features rows × width
   * @param rows at most what the sum was created for
   */
  add(features: Float32Array, rows: number): void;
  /** Writes the upper triangle, row by row: width·(width + 1)/2 values. */
  copyUpper(out: Float64Array): void;
  /** Begins again from zeros. */
  clear(): void;
}

/** A sum in WebAssembly where that is possible, else a plain one: the same bits. */
export function createGramSum(width: number, maxRows: number): GramSum {
  return kernelGramSum(width, maxRows) ?? plainGramSum(width, maxRows);
}

/**
 * A sum in WebAssembly SIMD; undefined where it is impossible. Every entry is summed as in {@link plainGramSum}, with
 * lanes side by side.
 */
export function kernelGramSum(width: number, maxRows: number): GramSum | undefined {
  const panels = Math.ceil(width / 4);
  const stride = 4 * panels;
  const packedAt = KERNEL_START + 8 * stride * stride;
  const kernel = openSumsKernel(packedAt + 8 * stride * maxRows);
  if (kernel === undefined) return undefined;
  const { buffer } = kernel.memory;
  const sum = new Float64Array(buffer, KERNEL_START, stride * stride);
  const packed = new Float64Array(buffer, packedAt, stride * maxRows);
  return {
    add(features, rows) {
      // Columns after the last one are zeros: their place depends on the number of rows.
      if (stride > width) packed.fill(0, 4 * (panels - 1) * rows, stride * rows);
      for (let row = 0; row < rows; row++) {
        for (let l = 0; l < width; l++)
          packed[((l >> 2) * rows + row) * 4 + (l & 3)] = features[row * width + l]!;
      }
      kernel.addGram(packedAt, panels, rows, KERNEL_START);
    },
    copyUpper: (out) => copyUpper(sum, stride, width, out),
    clear: () => void sum.fill(0),
  };
}

/** The twin without WebAssembly. */
export function plainGramSum(width: number, maxRows: number): GramSum {
  const sum = new Float64Array(width * width);
  /** The rows by channels: width × rows. */
  const channels = new Float64Array(width * maxRows);
  return {
    add(features, rows) {
      for (let row = 0; row < rows; row++) {
        for (let l = 0; l < width; l++) channels[l * rows + row] = features[row * width + l]!;
      }
      addGramUpper(channels, sum, width, rows);
    },
    copyUpper: (out) => copyUpper(sum, width, width, out),
    clear: () => void sum.fill(0),
  };
}

function copyUpper(sum: Float64Array, stride: number, width: number, out: Float64Array): void {
  for (let i = 0, at = 0; i < width; at += width - i, i++) {
    out.set(sum.subarray(i * stride + i, i * stride + width), at);
  }
}
