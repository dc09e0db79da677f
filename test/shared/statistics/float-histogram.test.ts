import { describe, expect, it } from 'vitest';
import { bucketMiddle, FloatHistogram } from '../../../shared/statistics/float-histogram.ts';
import { randomNormals } from '../random.ts';

/** Numbers of all sizes and both signs, zeros of both signs and values below the smallest normal number among them. */
function drawValues(count: number, seed: number): Float32Array {
  const random = randomNormals(seed);
  return Float32Array.from({ length: count }, (_, i) => {
    if (i % 7 === 0) return i % 2 === 0 ? 0 : -0;
    return random() * 10 ** (i % 5 === 0 ? -41 : (i % 60) - 30);
  });
}

describe('a histogram of floats', () => {
  // 8,192 values go through the kernel together: below, at, above and between that.
  it.each([1, 5000, 8192, 8193, 50_000])(
    'of %i values counts the same in WebAssembly and without',
    (count) => {
      const values = drawValues(count, count);
      const [kernel, plain] = [new FloatHistogram(), new FloatHistogram(null)];
      for (const histogram of [kernel, plain]) {
        histogram.add(values, count);
        histogram.add(values.subarray(count >> 1), count - (count >> 1));
      }
      expect(kernel.entries()).toEqual(plain.entries());
      expect(kernel.total).toBe(plain.total);
    },
  );

  it('puts every value into a bucket whose middle is near it', () => {
    const count = 20_000;
    const values = drawValues(count, 3);
    const histogram = new FloatHistogram();
    histogram.add(values, count);
    const { buckets, counts } = histogram.entries();
    expect(counts.reduce((total, many) => total + many, 0)).toBe(count);
    const middles = [...buckets].flatMap((bucket, i) =>
      Array.from({ length: counts[i]! }, () => bucketMiddle(bucket)),
    );
    values.sort().forEach((value, i) => {
      const expected = Math.abs(value) < 1.2e-38 ? 0 : value;
      expect(Math.abs(middles[i]! - expected)).toBeLessThanOrEqual(1e-4 * Math.abs(expected));
    });
  });
});
