import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { betaBinomialInterval, coverageInterval } from '../../../shared/metrics/coverage.ts';
import { adjustPValues, conformalPValue } from '../../../shared/metrics/p-values.ts';
import { calibrationIndex, chooseThreshold, scoresNeeded } from '../../../shared/metrics/threshold.ts';
import { randomNormals, randomNumbers } from '../random.ts';

describe('threshold', () => {
  it('lies halfway between the score of its rank and the next lower distinct one', () => {
    const scores = Float64Array.from({ length: 39 }, (_, i) => 39 - i);
    expect(chooseThreshold(scores, 0.95)).toEqual({ gamma: 1.5, index: 2 });
    expect(chooseThreshold(Float64Array.of(5, 3, 3, 3, 1, 9), 0.5)).toEqual({ gamma: 2, index: 3 });
  });

  it('is the score itself when none is lower', () => {
    expect(chooseThreshold(new Float64Array(19).fill(4), 0.95)).toEqual({ gamma: 4, index: 1 });
  });

  it.each([
    [0.95, 19],
    [0.99, 99],
    [0.999, 999],
    [0.9, 9],
    [0.5, 1],
    [0.05, 1],
  ])('at a TPR of %d needs %i scores, and says so', (tpr, needed) => {
    expect(scoresNeeded(tpr)).toBe(needed);
    expect(calibrationIndex(needed, tpr)).toBe(1);
    if (needed > 1)
      expect(() => calibrationIndex(needed - 1, tpr)).toThrow(`at least ${needed} held-out samples`);
    expect(() => chooseThreshold(new Float64Array(0), tpr)).toThrow(
      expect.objectContaining({ code: 'bad-input' }),
    );
  });

  it.each([0, 1, -0.1, 1.5, Number.NaN])('refuses a TPR of %d', (tpr) => {
    expect(() => calibrationIndex(1000, tpr)).toThrow(expect.objectContaining({ code: 'bad-usage' }));
  });

  it('rejects new samples of the same kind at most as often as asked', () => {
    const normal = randomNormals(11);
    let rejected = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const { gamma } = chooseThreshold(Float64Array.from({ length: 59 }, normal), 0.9);
      if (normal() < gamma) rejected++;
    }
    // Between ranks 5 and 6 of 60: expected share in [0.083, 0.1]; 5 standard deviations are 0.034.
    expect(rejected / 2000).toBeGreaterThan(0.05);
    expect(rejected / 2000).toBeLessThan(0.134);
  });
});

describe('conformal p-value', () => {
  it('counts calibration scores at or below the score', () => {
    const ascending = Float64Array.of(1, 2, 2, 3);
    expect([0, 1, 2, 2.5, 3, 4].map((score) => conformalPValue(ascending, score))).toEqual(
      [1, 2, 4, 4, 5, 5].map((count) => count / 5),
    );
    expect(conformalPValue(new Float64Array(0), 7)).toBe(1);
  });

  it('of calibration samples among themselves is uniform or larger', () => {
    const random = randomNumbers(3);
    const ascending = Float64Array.from({ length: 200 }, () => Math.floor(random() * 50)).sort();
    for (const alpha of [0.01, 0.05, 0.2, 0.5]) {
      const rejected = ascending.filter((score) => conformalPValue(ascending, score) <= alpha).length;
      expect(rejected / 200).toBeLessThanOrEqual(alpha);
    }
  });
});

describe('Benjamini–Hochberg', () => {
  it('rejects what the step-up rule rejects', () => {
    const pValue = fc.integer({ min: 1, max: 64 }).map((i) => i / 64);
    fc.assert(
      fc.property(fc.array(pValue, { maxLength: 40 }), fc.integer({ min: 1, max: 31 }), (values, level) => {
        const q = (level + 0.5) / 32;
        const count = values.length;
        const ascending = values.toSorted((a, b) => a - b);
        const last = ascending.findLastIndex((p, i) => p <= (q * (i + 1)) / count);
        const adjusted = adjustPValues(Float64Array.from(values));
        expect(Array.from(adjusted, (p) => p <= q)).toEqual(
          values.map((p) => last >= 0 && p <= ascending[last]!),
        );
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});

describe('beta-binomial interval', () => {
  it('is the uniform law for a = b = 1', () => {
    // 0 … 999, each with probability 1/1000: a little more than 5 % at either end is 50 values.
    const { low, high } = betaBinomialInterval(999, 1, 1, 0.9 - 1e-9);
    expect([low, high]).toEqual([50, 949]);
  });

  it('agrees with exact products for small numbers', () => {
    const trials = 12;
    const [a, b] = [7, 3];
    const mass = Array.from({ length: trials + 1 }, (_, x) => slowMass(trials, x, a, b));
    expect(mass.reduce((sum, p) => sum + p)).toBeCloseTo(1, 12);
    for (const probability of [0.5, 0.9, 0.99, 0.999]) {
      const tail = (1 - probability) / 2;
      const cut = (values: number[]) => {
        let sum = 0;
        return values.findIndex((p) => {
          sum += p;
          return sum > tail;
        });
      };
      expect(betaBinomialInterval(trials, a, b, probability)).toEqual({
        low: cut(mass),
        high: trials - cut(mass.toReversed()),
      });
    }
  });

  it('holds the accepted counts of fresh samples', () => {
    const normal = randomNormals(21);
    const { low, high } = coverageInterval({ index: 5 }, 99, 500, 0.99);
    let inside = 0;
    for (let trial = 0; trial < 300; trial++) {
      const { gamma, index } = chooseThreshold(Float64Array.from({ length: 99 }, normal), 0.95);
      expect(index).toBe(5);
      let accepted = 0;
      for (let i = 0; i < 500; i++) if (normal() >= gamma) accepted++;
      if (accepted >= low && accepted <= high) inside++;
    }
    expect(inside / 300).toBeGreaterThan(0.96);
    expect(high - low).toBeLessThan(80);
  });

  it('reaches far for many samples without overflow', () => {
    const { low, high } = coverageInterval({ index: 2500 }, 50_000, 50_000);
    expect(low / 50_000).toBeGreaterThan(0.94);
    expect(high / 50_000).toBeLessThan(0.96);
    expect(high).toBeGreaterThan(low);
  });
});

/** C(m, x) B(x + a, m − x + b) / B(a, b) for whole a and b. */
function slowMass(m: number, x: number, a: number, b: number): number {
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
  const beta = (p: number, q: number) => (factorial(p - 1) * factorial(q - 1)) / factorial(p + q - 1);
  return ((factorial(m) / (factorial(x) * factorial(m - x))) * beta(x + a, m - x + b)) / beta(a, b);
}
