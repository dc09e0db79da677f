import { describe, expect, it } from 'vitest';
import { applyLinear, applyLinearTo, plainLinear } from '../../../shared/maths/linear.ts';
import { kernelLinear } from '../../../shared/maths/linear-kernel.ts';
import { randomNormals } from '../random.ts';

describe('linear layer', () => {
  // Sizes around the blocks of 4 × 4 and the tiles of 32 rows, so that every remainder is met.
  it.each([
    [1, 1, 1],
    [3, 2, 5],
    [4, 4, 8],
    [5, 10, 7],
    [9, 7, 33],
    [6, 13, 342],
    [8, 4, 1],
    [39, 6, 21],
    [64, 1, 342],
  ])('gives exactly the plain double loop for %i rows, %i classes, %i channels', (rows, classes, width) => {
    const normal = randomNormals(rows * 100 + classes);
    const weight = Float32Array.from({ length: classes * width }, normal);
    const bias = Float32Array.from({ length: classes }, normal);
    const x = Float64Array.from({ length: rows * width }, normal);
    const expected = new Float64Array(rows * classes);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < classes; c++) {
        let sum = 0;
        for (let l = 0; l < width; l++) sum += x[r * width + l]! * weight[c * width + l]!;
        expected[r * classes + c] = sum + bias[c]!;
      }
    }
    for (const apply of [applyLinear, plainLinear, kernelLinear(width)!]) {
      const out = new Float64Array(rows * classes).fill(Number.NaN);
      apply({ classes, width, weight, bias }, x, rows, out);
      expect(out).toEqual(expected);
    }
  });

  it('does without the kernel when memory is refused', () => {
    expect(kernelLinear(2 ** 24)).toBeUndefined();
    expect(kernelLinear(2)).toBeDefined();
  });

  it('takes float32 rows, more of them than asked for', () => {
    const linear = {
      classes: 2,
      width: 2,
      weight: Float32Array.of(1, 2, 3, 4),
      bias: Float32Array.of(10, 20),
    };
    const out = new Float64Array(4).fill(-1);
    applyLinearTo(linear, Float32Array.of(1, 1, 9, 9), 1, new Float64Array(2), out);
    expect([...out]).toEqual([13, 27, -1, -1]);
  });
});
