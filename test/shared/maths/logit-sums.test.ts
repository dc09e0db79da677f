import { describe, expect, it } from 'vitest';
import { argmax, logSumExp, maxSoftmax, softmax } from '../../../shared/maths/logit-sums.ts';
import { randomNormals } from '../random.ts';

const normal = randomNormals(4);
const padded = Float64Array.from({ length: 12 }, () => 3 * normal());
const logits = [...padded.slice(2, 10)];

describe('sums over logits', () => {
  it.each([1, 0.5, 1000])('agree with the naive formulas at T = %d', (temperature) => {
    const powers = logits.map((f) => Math.exp(f / temperature));
    const total = powers.reduce((a, b) => a + b);
    expect(logSumExp(padded, 2, 8, temperature)).toBeCloseTo(temperature * Math.log(total), 9);
    expect(maxSoftmax(padded, 2, 8, temperature)).toBeCloseTo(Math.max(...powers) / total, 12);
    const out = new Float64Array(8);
    softmax(padded, 2, 8, out, 0, temperature);
    out.forEach((p, i) => {
      expect(p).toBeCloseTo(powers[i]! / total, 12);
    });
  });

  it('stay finite where exp overflows', () => {
    const large = Float64Array.of(1e5, 1e5 - 1, -1e5);
    expect(logSumExp(large, 0, 3)).toBeCloseTo(1e5 + Math.log(1 + Math.exp(-1)), 6);
    expect(maxSoftmax(large, 0, 3)).toBeCloseTo(1 / (1 + Math.exp(-1)), 12);
  });

  it('give ties to the lowest index', () => {
    expect(argmax(Float64Array.of(9, 1, 3, 3, 2), 1, 4)).toBe(1);
    expect(argmax(Float64Array.of(-1), 0, 1)).toBe(0);
  });

  it('write a softmax in place', () => {
    const values = Float64Array.of(0, 0, 0, 0);
    softmax(values, 1, 2, values, 1);
    expect([...values]).toEqual([0, 0.5, 0.5, 0]);
  });
});
