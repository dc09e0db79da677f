import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { averageSeparation, measureSeparation } from '../../../shared/metrics/separation.ts';
import { runFits } from '../../../shared/statistics/run-fit.ts';
import { hasRealData, needsData, reference } from '../../real-data.ts';
import { type Cifar10, OOD_SETS, readCifar10 } from './cifar10.ts';
import { portions, scoreAll } from './fit-and-score.ts';
import { EXTRA_SPECS, METHOD_SPECS } from './reference-specs.ts';

describe.skipIf(!hasRealData)(
  `methods against the reference on the CIFAR-10 benchmark (${needsData})`,
  () => {
    const rows = [...Object.entries(METHOD_SPECS), ...Object.entries(EXTRA_SPECS)];
    /** By row and set. */
    const scores = new Map<string, ReadonlyMap<string, Float64Array>>();
    const warnings: string[] = [];
    let data: Cifar10;
    let results: Table;
    let samples: Samples;
    let extra: ExtraTable;

    beforeAll(async () => {
      data = await readCifar10();
      results = JSON.parse(readFileSync(reference('cifar10.results.json'), 'utf8'));
      samples = JSON.parse(readFileSync(reference('cifar10.scores.json'), 'utf8'));
      extra = JSON.parse(readFileSync(reference('cifar10.extra.json'), 'utf8'));
      const outcomes = await runFits({
        detectors: rows.map(([, [spec]]) => findDetector(spec)),
        head: data.head,
        totalRows: { train: data.train.rows, calibration: data.calibration.rows },
        openPass: (over) => portions(data[over], data.head.width, 512),
        warn: (sentence) => warnings.push(sentence),
      });
      rows.forEach(([row], i) => {
        const { detector, tensors, error } = outcomes[i]!;
        if (error !== undefined) throw error;
        const scorer = detector.prepare(data.head, tensors!);
        const sets = { test: data.test, ...data.ood };
        scores.set(
          row,
          new Map(Object.entries(sets).map(([set, of]) => [set, scoreAll(scorer, data.head, of).score])),
        );
      });
    });

    it.each(rows)('%s: FPR95 and AUROC within 0.05 points', (row) => {
      const expected = (results.methods[row] ?? extra.methods[row])!.results;
      const own = scores.get(row)!;
      const separations = OOD_SETS.map((set) => measureSeparation(own.get('test')!, own.get(set)!));
      const named = [
        ...OOD_SETS.map((set, i) => [set, separations[i]!] as const),
        ['average', averageSeparation(separations)] as const,
      ];
      for (const [set, { fpr95, auroc }] of named) {
        expect(Math.abs(fpr95 * 100 - expected[set]!.FPR95), `FPR95 on ${set}`).toBeLessThan(0.05);
        expect(Math.abs(auroc * 100 - expected[set]!.AUROC), `AUROC on ${set}`).toBeLessThan(0.05);
      }
    });

    it.each(Object.entries(METHOD_SPECS))('%s: scores of single samples', (row, [, tolerance]) => {
      const own = scores.get(row)!;
      expectClose(own.get('test')!, samples.test_rows, samples.scores[row]!, tolerance);
      for (const [set, { rows: chosen, scores: expected }] of Object.entries(samples.ood))
        expectClose(own.get(set)!, chosen, expected[row]!, tolerance);
    });

    it.each(Object.entries(EXTRA_SPECS))('%s: scores of single samples', (row, [, tolerance]) => {
      expectClose(scores.get(row)!.get('test')!, extra.test_rows, extra.methods[row]!.scores, tolerance);
    });

    it('needs no ridge for the covariances', () => {
      expect(warnings).toEqual([]);
    });
  },
);

function expectClose(
  scores: Float64Array,
  rows: readonly number[],
  expected: readonly number[],
  tolerance: number,
): void {
  expect(expected.length).toBe(rows.length);
  let worst = 0;
  rows.forEach((row, i) => {
    const difference = Math.abs(scores[row]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(difference <= worst)) worst = difference;
  });
  expect(worst).toBeLessThanOrEqual(tolerance);
}

type Separations = Readonly<Record<string, { readonly FPR95: number; readonly AUROC: number }>>;

interface Table {
  readonly methods: Readonly<Record<string, { readonly results: Separations }>>;
}

interface Samples {
  readonly test_rows: readonly number[];
  readonly scores: Readonly<Record<string, readonly number[]>>;
  readonly ood: Readonly<
    Record<
      string,
      { readonly rows: readonly number[]; readonly scores: Readonly<Record<string, readonly number[]>> }
    >
  >;
}

interface ExtraTable {
  readonly test_rows: readonly number[];
  readonly methods: Readonly<
    Record<string, { readonly results: Separations; readonly scores: readonly number[] }>
  >;
}
