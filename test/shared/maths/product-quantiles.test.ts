import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProductQuantiles } from '../../../shared/maths/product-quantiles.ts';
import { quantile } from '../../../shared/maths/quantile.ts';
import { randomNormals } from '../random.ts';

const FRACTIONS = [0, 0.1, 0.25, 0.5, 0.9, 0.95, 1];

function allProducts(matrix: Float32Array, scales: Float64Array): Float64Array {
  return Float64Array.from(matrix, (value, i) => scales[i % scales.length]! * value);
}

describe('quantiles of products', () => {
  it('are those of all products sorted, to the bit', () => {
    const normal = randomNormals(17);
    const [rows, columns] = [60, 41];
    const matrix = Float32Array.from({ length: rows * columns }, normal);
    const products = new ProductQuantiles(matrix, rows, columns);
    for (let vector = 0; vector < 5; vector++) {
      const scales = Float64Array.from({ length: columns }, () => Math.abs(normal()) * 10 ** (3 * normal()));
      const all = allProducts(matrix, scales);
      for (const fraction of FRACTIONS) expect(products.at(scales, fraction)).toBe(quantile(all, fraction));
    }
  });

  it('stay so with ties, zeros, columns without weight, and products that underflow or round together', () => {
    const value = fc.constantFrom(-2, -1, -1e-30, 0, 1e-45, 0.1, 0.3, 1, 1 + 2 ** -23, 3);
    const scale = fc.constantFrom(0, 5e-324, 1e-300, 0.1, 1, 1 + 2 ** -52, 7);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }).chain((columns) =>
          fc.tuple(
            fc.array(scale, { minLength: columns, maxLength: columns }),
            fc.array(fc.array(value, { minLength: columns, maxLength: columns }), {
              minLength: 1,
              maxLength: 12,
            }),
          ),
        ),
        fc.double({ min: 0, max: 1, noNaN: true }),
        ([scales, matrix], fraction) => {
          const values = Float32Array.from(matrix.flat());
          const wide = Float64Array.from(scales);
          const got = new ProductQuantiles(values, matrix.length, scales.length).at(wide, fraction);
          // Zeros of either sign are one value.
          expect(got + 0).toBe(quantile(allProducts(values, wide), fraction) + 0);
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });
});
