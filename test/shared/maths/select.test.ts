import { describe, expect, it } from 'vitest';
import { quantile } from '../../../shared/maths/quantile.ts';
import { selectInPlace, selectQuantile } from '../../../shared/maths/select.ts';
import { randomNumbers } from '../random.ts';

const random = randomNumbers(11);
const POPULATIONS: Readonly<Record<string, Float64Array>> = {
  'one value': Float64Array.of(3),
  'random values': Float64Array.from({ length: 501 }, () => random() - 0.5),
  'few distinct values': Float64Array.from({ length: 300 }, () => Math.floor(4 * random())),
  'equal values': new Float64Array(64).fill(2),
  'ascending values': Float64Array.from({ length: 100 }, (_, i) => i),
  'descending values': Float64Array.from({ length: 100 }, (_, i) => -i),
};

describe.each(Object.entries(POPULATIONS))('selection from %s', (_, values) => {
  it('finds what sorting finds, at every position', () => {
    const sorted = values.slice().sort();
    for (let position = 0; position < values.length; position++) {
      const reordered = values.slice();
      expect(selectInPlace(reordered, values.length, position)).toBe(sorted[position]);
      expect(reordered.subarray(0, position).every((value) => value <= sorted[position]!)).toBe(true);
      expect(reordered.subarray(position).every((value) => value >= sorted[position]!)).toBe(true);
      expect(reordered.sort()).toEqual(sorted);
    }
  });

  it.each([0, 0.1, 0.5, 0.9, 1])('gives the quantile %f of the sorted values', (fraction) => {
    const padded = Float64Array.of(...values, -1e9);
    expect(selectQuantile(padded, values.length, fraction)).toBe(quantile(values, fraction));
  });
});
