import { KERNEL_START, openSumsKernel } from './sums-kernel.ts';

/** Float64 sums of float32 rows by group, in two places, so that one may be kept while the other is filled. */
export interface RowSums {
  /** Each groups × width, row-major. A group that nothing was added to since its place began has what it had before. */
  readonly sums: readonly [Float64Array, Float64Array];
  /** Adds to that place from now on, every group from zeros again. At first it is place 0. */
  begin(place: number): void;
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
  const sumBytes = 8 * groups * width;
  const stageAt = KERNEL_START + 2 * sumBytes;
  const kernel = openSumsKernel(stageAt + 4 * stageRows * width);
  if (kernel === undefined) return undefined;
  const { buffer } = kernel.memory;
  const isEmpty = new Uint8Array(groups).fill(1);
  let sumsAt = KERNEL_START;
  const stage = new Float32Array(buffer, stageAt, stageRows * width);
  return {
    sums: [
      new Float64Array(buffer, KERNEL_START, groups * width),
      new Float64Array(buffer, KERNEL_START + sumBytes, groups * width),
    ],
    begin(place) {
      sumsAt = KERNEL_START + place * sumBytes;
      isEmpty.fill(1);
    },
    add(features, rows, groupOf) {
      for (let top = 0; top < rows; top += stageRows) {
        const bottom = Math.min(rows, top + stageRows);
        stage.set(features.subarray(top * width, bottom * width));
        for (let row = top, end = top; row < bottom; row = end) {
          const group = groupOf[row]!;
          for (end = row + 1; end < bottom && groupOf[end] === group; ) end++;
          if (group < 0) continue;
          const from = stageAt + 4 * (row - top) * width;
          const sum = sumsAt + 8 * group * width;
          // Zeros that are written first, to be added to, would cost as much as a third of the additions.
          if (isEmpty[group] === 1) kernel.startRows(from, end - row, width, sum);
          else kernel.addRows(from, end - row, width, sum);
          isEmpty[group] = 0;
        }
      }
    },
  };
}

/** The twin without WebAssembly. */
export function plainRowSums(groups: number, width: number): RowSums {
  const sums = [new Float64Array(groups * width), new Float64Array(groups * width)] as const;
  const isEmpty = new Uint8Array(groups).fill(1);
  let sum: Float64Array = sums[0];
  return {
    sums,
    begin(place) {
      sum = sums[place]!;
      isEmpty.fill(1);
    },
    add(features, rows, groupOf) {
      for (let row = 0; row < rows; row++) {
        const group = groupOf[row]!;
        if (group < 0) continue;
        if (isEmpty[group] === 1) sum.fill(0, group * width, (group + 1) * width);
        isEmpty[group] = 0;
        addRow(sum, group * width, features, row * width, width);
      }
    },
  };
}

function addRow(sums: Float64Array, to: number, features: Float32Array, from: number, width: number): void {
  for (let l = 0; l < width; l++) sums[to + l]! += features[from + l]!;
}
