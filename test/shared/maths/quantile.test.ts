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
    for (const rows of [4, 50_000])
      expect(() => requireFinite(new Float32Array(2 * rows).fill(3.4028234e38), rows, 2)).not.toThrow();
  });

  it('finds a bad number at any place of a large batch, and nothing of it in the next', () => {
    const [rows, width] = [701, 100];
    const features = new Float32Array(rows * width).fill(-1.5);
    for (const at of [0, 5, 32_767, 32_768, 40_001, 65_535, 65_536, 70_099]) {
      features[at] = at % 2 === 0 ? Number.NaN : Number.NEGATIVE_INFINITY;
      const place = `row ${3 + Math.floor(at / width)}, channel ${at % width}`;
      expect(() => requireFinite(features, rows, width, 3, 'a.npy')).toThrow(
        new RegExp(`^a.npy: expected finite numbers, got (NaN|-Infinity) in ${place}$`),
      );
      features[at] = 0;
      expect(() => requireFinite(features, rows, width)).not.toThrow();
    }
  });
});
