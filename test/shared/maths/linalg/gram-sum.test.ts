import { describe, expect, it } from 'vitest';
import { kernelGramSum, plainGramSum } from '../../../../shared/maths/linalg/gram-sum.ts';
import { randomNormals } from '../../random.ts';

describe('sums of outer products', () => {
  it.each([
    [1, 5],
    [4, 128],
    [6, 3],
    [67, 20],
    [131, 128],
  ])('of rows %i wide, %i at most, have the same bits in the kernel and without it', (width, rows) => {
    const normal = randomNormals(width);
    const features = Float32Array.from({ length: rows * width }, normal);
    const kinds = [kernelGramSum(width, rows)!, plainGramSum(width, rows)];
    const triangles = kinds.map((sum) => {
      // What was cleared leaves no trace, nor do the rows of a larger portion before.
      sum.add(
        features.map((x) => x + 1),
        rows,
      );
      sum.clear();
      sum.add(features, rows);
      sum.add(features, (rows >> 1) + 1);
      const upper = new Float64Array((width * (width + 1)) / 2);
      sum.copyUpper(upper);
      return upper;
    });
    expect(triangles[0]).toEqual(triangles[1]);
    const product = (i: number, j: number) => {
      let sum = 0;
      for (let row = 0; row < rows; row++) {
        const times = row <= rows >> 1 ? 2 : 1;
        sum += times * features[row * width + i]! * features[row * width + j]!;
      }
      return sum;
    };
    for (let i = 0, at = 0; i < width; i++) {
      for (let j = i; j < width; j++, at++) expect(triangles[0]![at]).toBeCloseTo(product(i, j), 9);
    }
  });

  it('do without the kernel when its memory is refused', () => {
    expect(kernelGramSum(30_000, 128)).toBeUndefined();
  });
});
