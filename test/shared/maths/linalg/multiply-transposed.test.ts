import { describe, expect, it } from 'vitest';
import { addGramUpper, multiplyTransposed } from '../../../../shared/maths/linalg/multiply-transposed.ts';
import { furthest, naiveProduct, seededMatrix } from './seeded-matrix.ts';

describe('multiplyTransposed', () => {
  it.each([
    [1, 1, 1],
    [1, 9, 700],
    [5, 3, 17],
    [4, 8, 512],
    [67, 6, 513],
    [130, 7, 40],
    [3, 5, 0],
  ])('agrees with three plain loops at %i × %i, depth %i', (rows, columns, depth) => {
    const a = seededMatrix(1, rows, depth);
    const b = seededMatrix(2, columns, depth);
    const out = new Float64Array(rows * columns).fill(7);
    multiplyTransposed(a, b, out, { rows, columns, depth });
    expect(furthest(out, naiveProduct(a, b, rows, columns, depth))).toBeLessThan(1e-13 * (depth + 1));
  });

  it('gives a row the same bits alone and among others', () => {
    const [rows, columns, depth] = [71, 11, 1100];
    const a = seededMatrix(3, rows, depth);
    const b = seededMatrix(4, columns, depth);
    const together = new Float64Array(rows * columns);
    multiplyTransposed(a, b, together, { rows, columns, depth });
    const alone = new Float64Array(columns);
    for (let row = 0; row < rows; row++) {
      const one = a.subarray(row * depth, (row + 1) * depth);
      multiplyTransposed(one, b, alone, { rows: 1, columns, depth });
      expect(alone).toEqual(together.subarray(row * columns, (row + 1) * columns));
    }
  });
});

describe('addGramUpper', () => {
  it.each([
    [1, 3],
    [6, 5],
    [66, 129],
    [131, 600],
  ])('adds the upper triangle of A·Aᵀ for A %i × %i', (rows, depth) => {
    const a = seededMatrix(5, rows, depth);
    const out = new Float64Array(rows * rows).fill(2);
    addGramUpper(a, out, rows, depth);
    const naive = naiveProduct(a, a, rows, rows, depth);
    for (let i = 0; i < rows; i++) {
      for (let j = i; j < rows; j++) expect(out[i * rows + j]).toBeCloseTo(naive[i * rows + j]! + 2, 10);
    }
  });
});
