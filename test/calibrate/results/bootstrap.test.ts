import { describe, expect, it } from 'vitest';
import { bootstrapIntervals } from '../../../calibrate/results/bootstrap.ts';
import { FIGURES } from '../../../calibrate/results/results.ts';
import { rankScores, separationOfCounts } from '../../../calibrate/results/score-ranks.ts';
import { measureSeparation } from '../../../shared/metrics/separation.ts';
import { randomNormals, randomNumbers } from '../../shared/random.ts';

/** Scores with many ties: normal numbers rounded to tenths. */
function drawScores(rows: number, mean: number, seed: number): Float64Array {
  const normal = randomNormals(seed);
  return Float64Array.from({ length: rows }, () => Math.round(10 * (normal() + mean)) / 10);
}

const everyOnce = (ranks: Int32Array, count: number) => {
  const counts = new Int32Array(count);
  for (const rank of ranks) counts[rank]!++;
  return counts;
};

describe('figures from counts of ranks', () => {
  it.each([
    [1, 1],
    [5, 3],
    [100, 37],
    [400, 800],
  ])('are those of the scores themselves (%i ID, %i OOD)', (n, m) => {
    for (let seed = 1; seed <= 5; seed++) {
      const id = drawScores(n, 1, seed);
      const ood = drawScores(m, 0, 100 + seed);
      const { count, id: idRanks, ood: oodRanks } = rankScores(id, ood);
      const figures = separationOfCounts(everyOnce(idRanks, count), everyOnce(oodRanks, count));
      const expected = measureSeparation(id, ood);
      for (const figure of FIGURES) expect(figures[figure]).toBeCloseTo(expected[figure], 12);
    }
  });

  it('are those of samples drawn anew', () => {
    const id = drawScores(60, 1, 1);
    const ood = drawScores(40, 0, 2);
    const random = randomNumbers(3);
    const idDraw = Array.from(id, () => Math.floor(random() * id.length));
    const oodDraw = Array.from(ood, () => Math.floor(random() * ood.length));
    const ranks = rankScores(id, ood);
    const figures = separationOfCounts(
      everyOnce(
        Int32Array.from(idDraw, (at) => ranks.id[at]!),
        ranks.count,
      ),
      everyOnce(
        Int32Array.from(oodDraw, (at) => ranks.ood[at]!),
        ranks.count,
      ),
    );
    const expected = measureSeparation(
      Float64Array.from(idDraw, (at) => id[at]!),
      Float64Array.from(oodDraw, (at) => ood[at]!),
    );
    for (const figure of FIGURES) expect(figures[figure]).toBeCloseTo(expected[figure], 12);
  });
});

describe('bootstrap intervals', () => {
  const method = (spec: string, gap: number, rows: number) => ({
    spec,
    id: { score: drawScores(rows, gap, 1) },
    ood: ['near', 'far'].map((name, i) => ({ name, scores: { score: drawScores(rows, -i, 2 + i) } })),
  });
  const groups = [{ name: 'average', sets: ['near', 'far'] }];
  const options = { replicates: 200, seed: 7, groups, signal: new AbortController().signal };

  it('hold the figure, shrink with the square root of the samples, and repeat with their seed', () => {
    const [small] = bootstrapIntervals([method('a', 1, 100)], options);
    const [large] = bootstrapIntervals([method('a', 1, 1600)], options);
    const [low, high] = small!.get('near')!.auroc;
    const measured = measureSeparation(method('a', 1, 100).id.score, drawScores(100, 0, 2)).auroc;
    expect(low).toBeLessThan(measured);
    expect(high).toBeGreaterThan(measured);
    const [largeLow, largeHigh] = large!.get('near')!.auroc;
    const ratio = (high - low) / (largeHigh - largeLow);
    expect(ratio).toBeGreaterThan(2.5);
    expect(ratio).toBeLessThan(6);
    expect(bootstrapIntervals([method('a', 1, 100)], options)[0]).toEqual(small);
  });

  it('agree with the standard error of Hanley and McNeil', () => {
    const rows = 400;
    const [intervals] = bootstrapIntervals([method('a', 1, rows)], { ...options, replicates: 1000 });
    const [low, high] = intervals!.get('near')!.auroc;
    const a = measureSeparation(method('a', 1, rows).id.score, drawScores(rows, 0, 2)).auroc;
    const q1 = a / (2 - a);
    const q2 = (2 * a * a) / (1 + a);
    const variance = (a * (1 - a) + (rows - 1) * (q1 - a * a + q2 - a * a)) / (rows * rows);
    expect((high - low) / (2 * 1.96 * Math.sqrt(variance))).toBeGreaterThan(0.85);
    expect((high - low) / (2 * 1.96 * Math.sqrt(variance))).toBeLessThan(1.15);
  });

  it('are refused where they would not fit into memory', () => {
    expect(() => bootstrapIntervals([method('a', 1, 10)], { ...options, replicates: 1e8 })).toThrow(
      '--bootstrap 100000000 of 1 methods: expected at most',
    );
  });

  it('draw the same samples for every method', () => {
    const [first, second] = bootstrapIntervals([method('a', 1, 100), method('b', 1, 100)], options);
    expect(second).toEqual(first);
  });

  it('cover averages, which vary less than their sets', () => {
    const [intervals] = bootstrapIntervals([method('a', 1, 100)], options);
    const width = (name: string) => intervals!.get(name)!.fpr95[1] - intervals!.get(name)!.fpr95[0];
    expect(width('average')).toBeLessThan(Math.max(width('near'), width('far')));
  });
});
