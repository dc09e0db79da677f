import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accuracy } from '../../../shared/metrics/accuracy.ts';
import { averageSeparation, measureSeparation } from '../../../shared/metrics/separation.ts';

/** Scores from a small set of values, so that ties are the rule. */
const tiedScores = fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 1, maxLength: 60 });

describe('separation of two sets of scores', () => {
  it('agrees with counting every pair and every threshold', () => {
    fc.assert(
      fc.property(tiedScores, tiedScores, (id, ood) => {
        const got = measureSeparation(Float64Array.from(id), Float64Array.from(ood));
        const negated = (scores: number[]) => scores.map((score) => -score);
        expect(got.fpr95).toBeCloseTo(slowFpr95(id, ood), 12);
        expect(got.fpr95_ood).toBeCloseTo(slowFpr95(negated(ood), negated(id)), 12);
        expect(got.auroc).toBeCloseTo(slowAuroc(id, ood), 12);
        expect(got.aupr_in).toBeCloseTo(slowAveragePrecision(id, ood), 12);
        expect(got.aupr_out).toBeCloseTo(slowAveragePrecision(negated(ood), negated(id)), 12);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('does not change when all scores are moved and stretched, and mirrors when the sets are exchanged', () => {
    fc.assert(
      fc.property(tiedScores, tiedScores, (id, ood) => {
        const original = measureSeparation(Float64Array.from(id), Float64Array.from(ood));
        const moved = (scores: number[]) => Float64Array.from(scores, (score) => 8 * score + 1024);
        expect(measureSeparation(moved(id), moved(ood))).toEqual(original);
        const { auroc } = measureSeparation(Float64Array.from(ood), Float64Array.from(id));
        expect(auroc).toBeCloseTo(1 - original.auroc, 12);
      }),
      { seed: 8, numRuns: 100 },
    );
  });

  it('tells sets apart that a float32 or a sigmoid would merge', () => {
    const id = Float64Array.from({ length: 100 }, (_, i) => 50 + i * 1e-9 + 1e-7);
    const ood = Float64Array.from({ length: 100 }, (_, i) => 50 + i * 1e-9);
    expect(measureSeparation(id, ood)).toEqual({ fpr95: 0, fpr95_ood: 0, auroc: 1, aupr_in: 1, aupr_out: 1 });
  });

  it('is all chance where every score is the same', () => {
    const same = new Float64Array(40).fill(3);
    expect(measureSeparation(same, same)).toEqual({
      fpr95: 1,
      fpr95_ood: 1,
      auroc: 0.5,
      aupr_in: 0.5,
      aupr_out: 0.5,
    });
  });

  it('accepts 95 % of exactly 20 scores by leaving one out', () => {
    const id = Float64Array.from({ length: 20 }, (_, i) => i);
    expect(measureSeparation(id, Float64Array.of(0, 0.5, 1, 2)).fpr95).toBe(0.5);
  });

  it.each([
    ['an empty set', new Float64Array(0)],
    ['NaN', Float64Array.of(1, Number.NaN)],
  ])('refuses %s', (_, scores) => {
    expect(() => measureSeparation(scores, Float64Array.of(1))).toThrow(
      expect.objectContaining({ code: 'bad-input' }),
    );
    expect(() => measureSeparation(Float64Array.of(1), scores)).toThrow(/out-of-distribution/);
  });

  it('averages figures over sets', () => {
    const one = { fpr95: 0, fpr95_ood: 0.2, auroc: 1, aupr_in: 1, aupr_out: 0 };
    const two = { fpr95: 1, fpr95_ood: 0.4, auroc: 0.5, aupr_in: 0, aupr_out: 0 };
    const mean = averageSeparation([one, two]);
    expect(mean.fpr95).toBe(0.5);
    expect(mean.fpr95_ood).toBeCloseTo(0.3, 12);
    expect(mean.auroc).toBe(0.75);
  });
});

describe('accuracy', () => {
  it('counts labelled rows only', () => {
    expect(accuracy(Int32Array.of(0, 1, 2, 3), Int32Array.of(0, -1, 2, 0))).toBeCloseTo(2 / 3, 12);
    expect(accuracy(Int32Array.of(0), Int32Array.of(-1))).toBeNull();
  });
});

/** Tries every score as a threshold, and takes the largest that 95 % of the positives reach. */
function slowFpr95(positives: number[], negatives: number[]): number {
  const share = (scores: number[], t: number) => scores.filter((score) => score >= t).length / scores.length;
  const reached = positives.filter((t) => share(positives, t) >= 0.95 - 1e-12);
  return share(negatives, Math.max(...reached));
}

function slowAuroc(positives: number[], negatives: number[]): number {
  let sum = 0;
  for (const p of positives) for (const n of negatives) sum += p > n ? 1 : p === n ? 0.5 : 0;
  return sum / (positives.length * negatives.length);
}

/** Average precision as scikit-learn defines it: one step for each distinct threshold. */
function slowAveragePrecision(positives: number[], negatives: number[]): number {
  const thresholds = [...new Set([...positives, ...negatives])].sort((a, b) => b - a);
  let area = 0;
  let recall = 0;
  for (const t of thresholds) {
    const hits = positives.filter((score) => score >= t).length;
    const falseHits = negatives.filter((score) => score >= t).length;
    area += (hits / positives.length - recall) * (hits / (hits + falseHits));
    recall = hits / positives.length;
  }
  return area;
}
