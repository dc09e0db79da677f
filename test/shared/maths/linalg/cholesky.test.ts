import { describe, expect, it } from 'vitest';
import { factorise, whiten } from '../../../../shared/maths/linalg/cholesky.ts';
import { furthest, naiveProduct, seededCovariance, seededMatrix } from './seeded-matrix.ts';

describe('whiten', () => {
  it.each([1, 2, 5, 40])('gives the inverse of the Cholesky factor at %i wide', (size) => {
    const covariance = seededCovariance(1, size);
    const whitening = whiten(covariance, size);
    // L⁻¹·Σ·L⁻ᵀ = I
    const half = naiveProduct(whitening, covariance, size, size, size);
    const identity = naiveProduct(half, whitening, size, size, size);
    const expected = Float64Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    expect(furthest(identity, expected)).toBeLessThan(1e-10);
  });

  it('adds no ridge to a matrix that is badly scaled but not singular', () => {
    const warnings: string[] = [];
    const whitening = whiten(Float64Array.of(1, 0, 0, 1e-13), 2, (sentence) => warnings.push(sentence));
    expect(warnings).toEqual([]);
    expect(whitening[3]! ** 2).toBeCloseTo(1e13, -2);
  });

  it('adds the smallest ridge that works to a singular matrix, and warns', () => {
    const warnings: string[] = [];
    const whitening = whiten(Float64Array.of(1, 1, 1, 1), 2, (sentence) => warnings.push(sentence));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/singular.*1e-12/);
    expect(whitening.every(Number.isFinite)).toBe(true);
  });

  it('handles a covariance of fewer samples than channels', () => {
    const samples = seededMatrix(9, 30, 4);
    const covariance = naiveProduct(samples, samples, 30, 30, 4);
    const warnings: string[] = [];
    expect(whiten(covariance, 30, (sentence) => warnings.push(sentence)).every(Number.isFinite)).toBe(true);
    expect(warnings).toHaveLength(1);
  });

  it.each([
    ['no variance', Float64Array.of(0, 0, 0, 0)],
    ['NaN on the diagonal', Float64Array.of(1, 0, 0, Number.NaN)],
    ['NaN off the diagonal', Float64Array.of(1, Number.NaN, Number.NaN, 1)],
  ])('refuses %s', (_, covariance) => {
    expect(() => whiten(covariance, 2)).toThrow(/covariance: expected/);
  });
});

describe('factorise', () => {
  it('reports an indefinite matrix', () => {
    expect(factorise(Float64Array.of(1, 2, 2, 1), 2, 0, new Float64Array(4))).toBe(false);
  });
});
