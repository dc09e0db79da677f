import { describe, expect, it } from 'vitest';
import { quantile } from '../../../shared/maths/quantile.ts';
import { requireFinite } from '../../../shared/maths/require-finite.ts';

describe('quantile', () => {
  // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6.5], p) in numpy 2.4
  it.each([
    [0, 1],
    [10, 1],
    [25, 1.75],
    [50, 3.5],
    [90, 7.25],
    [95, 8.125],
    [99, 8.825],
    [100, 9],
  ])('is what numpy gives for percentile %d', (percent, expected) => {
    expect(quantile(Float64Array.of(3, 1, 4, 1, 5, 9, 2, 6.5), percent / 100)).toBeCloseTo(expected, 12);
  });

  it('of one value is that value, and the input keeps its order', () => {
    expect(quantile(Float32Array.of(7), 0.3)).toBe(7);
    const values = Float64Array.of(2, 1);
    quantile(values, 0.5);
    expect([...values]).toEqual([2, 1]);
  });
});

describe('requireFinite', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'names the row that holds %d',
    (bad) => {
      const features = Float32Array.of(0, 1, 2, 3, 4, bad);
      expect(() => requireFinite(features, 3, 2, 100)).toThrow(/row 102, channel 1/);
      expect(() => requireFinite(features, 2, 2)).not.toThrow();
    },
  );

  it('takes the largest float32 values', () => {
    expect(() => requireFinite(new Float32Array(8).fill(3.4028234e38), 4, 2)).not.toThrow();
  });
});
