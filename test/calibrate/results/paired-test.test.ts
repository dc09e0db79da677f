import { describe, expect, it } from 'vitest';
import { FOLDS, foldsOf, pairedTests, testPairs, twoSidedP } from '../../../calibrate/results/paired-test.ts';
import { randomNormals } from '../../shared/random.ts';

describe('the p-value of Student’s t', () => {
  // Critical values of the usual tables, two-sided.
  it.each([
    [12.706, 1, 0.05],
    [4.303, 2, 0.05],
    [2.262, 9, 0.05],
    [3.25, 9, 0.01],
    [4.781, 9, 0.001],
    [2.228, 10, 0.05],
    [1.96, 100_000, 0.05],
  ])('t = %d with %i degrees of freedom', (t, freedom, p) => {
    expect(twoSidedP(t, freedom)).toBeCloseTo(p, 4);
    expect(twoSidedP(-t, freedom)).toBe(twoSidedP(t, freedom));
  });

  it('is 1 at 0', () => {
    expect(twoSidedP(0, 9)).toBe(1);
  });
});

describe('the paired t-test', () => {
  it('is what scipy.stats.ttest_rel gives', () => {
    const { difference, t, p } = testPairs([0.1, 0.3, -0.2, 0.4, 0.15]);
    expect(difference).toBeCloseTo(0.15, 12);
    // mean 0.15, standard deviation 0.2291288, t = 0.15 / (sd / √5)
    expect(t).toBeCloseTo(1.4638501, 6);
    expect(p).toBeCloseTo(0.2170743, 5);
  });

  it('needs no t where nothing varies', () => {
    expect(testPairs([0, 0, 0])).toEqual({ difference: 0, folds: 3, t: null, p: 1 });
    expect(testPairs([0.25, 0.25])).toEqual({ difference: 0.25, folds: 2, t: null, p: 0 });
  });
});

describe('folds', () => {
  const names = (row: number) => `cat/${row}.jpg`;

  it('hang on a sample’s name, not on its place', () => {
    const folds = foldsOf(1000, names);
    expect(foldsOf(999, (row) => names(row + 1))).toEqual(folds.subarray(1));
    for (let fold = 0; fold < FOLDS; fold++) {
      expect(folds.filter((value) => value === fold).length).toBeGreaterThan(60);
    }
  });

  const normal = randomNormals(1);
  const method = (spec: string, gap: number) => ({
    spec,
    id: { score: Float64Array.from({ length: 500 }, () => normal() + gap) },
    ood: [{ name: 'far', scores: { score: Float64Array.from({ length: 500 }, normal) } }],
  });
  const folds = { id: foldsOf(500, names), ood: [foldsOf(500, (row) => `far/${row}`)] };

  it('tell a better method from an equal one', () => {
    const tests = pairedTests(
      [method('msp', 1), method('energy', 1), method('cosine', 3)],
      method('msp', 1),
      folds,
    )!;
    const auroc = tests.filter(({ figure }) => figure === 'auroc');
    expect(auroc.map(({ method: id }) => id)).toEqual(['msp', 'energy', 'cosine']);
    expect(auroc[2]!.difference).toBeGreaterThan(0.1);
    expect(auroc[2]!.p).toBeLessThan(1e-4);
    expect(auroc[1]!.p).toBeGreaterThan(0.01);
  });

  it('make no test where one of them is empty', () => {
    const base = method('msp', 1);
    expect(pairedTests([base], base, { ...folds, id: new Uint8Array(500) })).toBeUndefined();
  });
});
