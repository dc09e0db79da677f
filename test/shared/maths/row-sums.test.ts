import { describe, expect, it } from 'vitest';
import { createRowSums, kernelRowSums, plainRowSums, type RowSums } from '../../../shared/maths/row-sums.ts';
import { randomNormals, randomNumbers } from '../random.ts';

const KINDS = { kernel: kernelRowSums, plain: plainRowSums };

function addAll(sums: RowSums, features: Float32Array, groups: Int32Array): Float64Array {
  const width = features.length / groups.length;
  // In two portions, so that sums are carried on.
  const rows = groups.length >> 1;
  sums.add(features, rows, groups);
  sums.add(features.subarray(rows * width), groups.length - rows, groups.subarray(rows));
  return sums.sums;
}

describe.each([
  ['runs of one group', (row: number) => Math.floor(row / 9)],
  ['groups in turn, some left out', (row: number) => (row % 5) - 1],
])('sums of rows in %s', (_, groupOf) => {
  // Widths below, at and above what the kernel takes in one go, odd and even.
  it.each([1, 2, 7, 342, 2048, 33_000])('at width %i are plain sums in order, to the bit', (width) => {
    const rows = 41;
    const normal = randomNormals(width);
    const features = Float32Array.from({ length: rows * width }, () => normal() * 10 ** (4 * normal()));
    const groups = Int32Array.from({ length: rows }, (_, row) => groupOf(row));
    const expected = new Float64Array(5 * width);
    for (let row = 0; row < rows; row++) {
      for (let l = 0; l < width && groups[row]! >= 0; l++)
        expected[groups[row]! * width + l]! += features[row * width + l]!;
    }
    for (const [kind, create] of Object.entries(KINDS))
      expect(addAll(create(5, width)!, features, groups), kind).toEqual(expected);
  });
});

it('sums of rows use the kernel here, and do without it when memory is refused', () => {
  expect(kernelRowSums(3, 8)).toBeDefined();
  expect(kernelRowSums(2 ** 16, 2 ** 14)).toBeUndefined();
  const random = randomNumbers(1);
  const features = Float32Array.from({ length: 16 }, random);
  expect(addAll(createRowSums(1, 8), features, new Int32Array(2))[3]).toBe(features[3]! + features[11]!);
});
