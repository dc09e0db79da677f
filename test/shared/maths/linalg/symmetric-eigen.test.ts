import { describe, expect, it } from 'vitest';
import { symmetricEigen } from '../../../../shared/maths/linalg/symmetric-eigen.ts';
import { furthest, naiveProduct, seededCovariance, seededMatrix } from './seeded-matrix.ts';

describe('symmetricEigen', () => {
  it.each([1, 2, 3, 10, 65, 150])('rebuilds a seeded matrix %i wide', (size) => {
    const matrix = seededCovariance(size, size);
    expectEigen(matrix, size);
  });

  it('rebuilds an indefinite matrix', () => {
    const half = seededMatrix(3, 20, 20);
    expectEigen(
      half.map((value, at) => value + half[(at % 20) * 20 + Math.floor(at / 20)]!),
      20,
    );
  });

  it.each<[string, number, number[], number[]]>([
    ['a diagonal', 3, [3, 0, 0, 0, 1, 0, 0, 0, 2], [1, 2, 3]],
    ['zeros', 2, [0, 0, 0, 0], [0, 0]],
    ['an exchange', 2, [0, 1, 1, 0], [-1, 1]],
    ['equal eigenvalues', 3, [2, 1, 1, 1, 2, 1, 1, 1, 2], [1, 1, 4]],
    ['rank one', 3, [1, 2, 3, 2, 4, 6, 3, 6, 9], [0, 0, 14]],
    ['tiny entries', 2, [2e-200, 1e-200, 1e-200, 2e-200], [1e-200, 3e-200]],
    ['huge entries', 2, [2e200, 1e200, 1e200, 2e200], [1e200, 3e200]],
  ])('knows the eigenvalues of %s', (_, size, matrix, expected) => {
    const { values } = expectEigen(Float64Array.from(matrix), size);
    const scale = Math.max(...expected.map(Math.abs), Number.MIN_VALUE);
    expect(furthest(values, expected) / scale).toBeLessThan(1e-15 * 10);
  });

  it('handles clusters far apart (condition 1e18)', () => {
    const size = 30;
    const basis = symmetricEigen(seededCovariance(8, size), size).vectors;
    const spectrum = Array.from({ length: size }, (_, i) => 10 ** -(3.6 * Math.floor(i / 5)));
    const scaled = basis.map((value, at) => value * spectrum[Math.floor(at / size)]!);
    // Σ_i λ_i·v_i·v_iᵀ, as Bᵀ·(λB)
    const transposed = (m: Float64Array) => m.map((_, at) => m[(at % size) * size + Math.floor(at / size)]!);
    expectEigen(naiveProduct(transposed(basis), transposed(scaled), size, size, size), size);
  });

  it('refuses what is not finite', () => {
    expect(() => symmetricEigen(Float64Array.of(1, Number.NaN, 0, 1), 2)).toThrow(/expected finite values/);
  });
});

/** A·v = λ·v, orthonormal rows, ascending values. */
function expectEigen(matrix: Float64Array, size: number) {
  const before = matrix.slice();
  const { values, vectors } = symmetricEigen(matrix, size);
  expect(matrix).toEqual(before);
  expect([...values]).toEqual([...values].sort((a, b) => a - b));
  const scale = Math.max(Number.MIN_VALUE, ...matrix.map(Math.abs));
  const product = naiveProduct(vectors, matrix, size, size, size);
  const expected = vectors.map((value, at) => value * values[Math.floor(at / size)]!);
  expect(furthest(product, expected) / scale).toBeLessThan(1e-14 * (size + 10));
  const identity = naiveProduct(vectors, vectors, size, size, size);
  const unit = Float64Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  expect(furthest(identity, unit)).toBeLessThan(1e-14 * (size + 10));
  return { values, vectors };
}
