import { KERNEL_START, openSumsKernel } from './sums-kernel.ts';

/** Float64 sums of float32 rows by group. */
export interface RowSums {
  /** groups × width, row-major, zeros at first. */
  readonly sums: Float64Array;
  /**
   * Adds rows, one after the other, each to the sum of its group.
   * @param features rows × width
   * @param groups one a row; rows of a negative group are left out
   */
  add(features: Float32Array, rows: number, groups: Int32Array): void;
}

/** Rows come into the kernel's memory by about this much at a time, so that they stay near the core. */
const STAGE_BYTES = 2 ** 16;

/** Sums in WebAssembly where that is possible, else plain ones: the same bits. */
export function createRowSums(groups: number, width: number): RowSums {
  return kernelRowSums(groups, width) ?? plainRowSums(groups, width);
}

/** Sums in WebAssembly SIMD; undefined where they are impossible. */
export function kernelRowSums(groups: number, width: number): RowSums | undefined {
  const stageRows = Math.max(1, Math.floor(STAGE_BYTES / (4 * width)));
  const stageAt = KERNEL_START + 8 * groups * width;
  const kernel = openSumsKernel(stageAt + 4 * stageRows * width);
  if (kernel === undefined) return undefined;
  const stage = new Float32Array(kernel.memory.buffer, stageAt, stageRows * width);
  return {
    sums: new Float64Array(kernel.memory.buffer, KERNEL_START, groups * width),
    add(features, rows, groupOf) {
      for (let top = 0; top < rows; top += stageRows) {
        const bottom = Math.min(rows, top + stageRows);
        stage.set(features.subarray(top * width, bottom * width));
        for (let row = top, end = top; row < bottom; row = end) {
          const group = groupOf[row]!;
          for (end = row + 1; end < bottom && groupOf[end] === group; ) end++;
          if (group < 0) continue;
          const from = stageAt + 4 * (row - top) * width;
          kernel.addRows(from, end - row, width, KERNEL_START + 8 * group * width);
        }
      }
    },
  };
}

/** The twin without WebAssembly. */
export function plainRowSums(groups: number, width: number): RowSums {
  const sums = new Float64Array(groups * width);
  return {
    sums,
    add(features, rows, groupOf) {
      for (let row = 0; row < rows; row++) {
        const group = groupOf[row]!;
        if (group >= 0) addRow(sums, group * width, features, row * width, width);
      }
    },
  };
}

function addRow(sums: Float64Array, to: number, features: Float32Array, from: number, width: number): void {
  for (let l = 0; l < width; l++) sums[to + l]! += features[from + l]!;
}
