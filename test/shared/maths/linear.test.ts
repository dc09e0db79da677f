import { describe, expect, it } from 'vitest';
import { applyLinear, applyLinearTo } from '../../../shared/maths/linear.ts';
import { randomNormals } from '../random.ts';

describe('linear layer', () => {
  // Sizes around the blocks of 4 × 4, so that every remainder is met.
  it.each([
    [1, 1, 1],
    [3, 2, 5],
    [4, 4, 8],
    [5, 10, 7],
    [9, 7, 33],
    [6, 13, 342],
  ])('gives exactly the plain double loop for %i rows, %i classes, %i channels', (rows, classes, width) => {
    const normal = randomNormals(rows * 100 + classes);
    const weight = Float32Array.from({ length: classes * width }, normal);
    const bias = Float32Array.from({ length: classes }, normal);
    const x = Float64Array.from({ length: rows * width }, normal);
    const out = new Float64Array(rows * classes).fill(Number.NaN);
    applyLinear({ classes, width, weight, bias }, x, rows, out);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < classes; c++) {
        let sum = 0;
        for (let l = 0; l < width; l++) sum += x[r * width + l]! * weight[c * width + l]!;
        expect(out[r * classes + c]).toBe(sum + bias[c]!);
      }
    }
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
