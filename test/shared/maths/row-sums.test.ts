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
  return sums.sums[0];
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

it.each(Object.entries(KINDS))(
  'sums of rows (%s) begin anew in either place, group by group',
  (_, create) => {
    const sums = create(3, 3)!;
    const rows = Float32Array.of(1, 2, -0, 10, 20, 30);
    sums.add(rows, 2, Int32Array.of(0, 2));
    sums.begin(1);
    sums.add(rows, 2, Int32Array.of(1, 1));
    expect([...sums.sums[0]]).toEqual([1, 2, 0, 0, 0, 0, 10, 20, 30]);
    expect([...sums.sums[1]]).toEqual([0, 0, 0, 11, 22, 30, 0, 0, 0]);
    sums.begin(0);
    sums.add(rows.subarray(3), 1, Int32Array.of(0));
    expect([...sums.sums[0].subarray(0, 3)]).toEqual([10, 20, 30]);
  },
);

it('sums of rows use the kernel here, and do without it when memory is refused', () => {
  expect(kernelRowSums(3, 8)).toBeDefined();
  expect(kernelRowSums(2 ** 16, 2 ** 14)).toBeUndefined();
  const random = randomNumbers(1);
  const features = Float32Array.from({ length: 16 }, random);
  expect(addAll(createRowSums(1, 8), features, new Int32Array(2))[3]).toBe(features[3]! + features[11]!);
});
