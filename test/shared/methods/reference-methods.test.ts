import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { averageSeparation, measureSeparation } from '../../../shared/metrics/separation.ts';
import { runFits } from '../../../shared/statistics/run-fit.ts';
import { hasRealData, needsData, reference } from '../../real-data.ts';
import { type Cifar10, OOD_SETS, readCifar10 } from './cifar10.ts';
import { portions, scoreAll } from './fit-and-score.ts';

const FLOAT64 = 1e-9;
/** Where prototypes are stored as float32, or the reference was computed in it (KNN). */
const FLOAT32 = 1e-5;
/** The reference's T* is 1.4e-8 from where the slope of the likelihood vanishes. */
const FITTED = 1e-8;
/** Distances by a covariance whose smallest eigenvalue is 5e-10. */
const SINGULAR = 1e-6;

/** Row of `cifar10.results.json` → the spec that means the same, and how far scores may differ. */
const RESULTS: Readonly<Record<string, readonly [spec: string, tolerance: number]>> = {
  Mahalanobis: ['mahalanobis', SINGULAR],
  ReAct: ['react', FLOAT64],
  'ReAct(1.0)': ['react:clip=1.0', FLOAT64],
  DICE: ['dice:p=90', FLOAT64],
  'DICE+ReAct': ['dice-react:p=90,clip=p90', FLOAT64],
  'DICE+ReAct(1.0)': ['dice-react:p=90,clip=1.0', FLOAT64],
  LINe: ['line:pw=90,pa=90,clip=1.0', FLOAT64],
  'LINe+LS': ['line:pw=90,pa=90,clip=1.0,smoothing=scale', FLOAT32],
  'BATS(1)': ['bats:lambda=1', FLOAT64],
  'BATS(2)': ['bats:lambda=2', FLOAT64],
  'BATS(3)': ['bats', FLOAT64],
  KNN: ['knn:k=50', FLOAT32],
  'ASH-P(90)': ['ash-p:p=90', FLOAT64],
  'ASH-B(65)': ['ash-b:p=65', FLOAT64],
  'ASH-B(90)': ['ash-b:p=90', FLOAT64],
  'ASH-B(95)': ['ash-b:p=95', FLOAT64],
  'ASH-S(65)': ['ash-s:p=65', FLOAT64],
  'ASH-S(90)': ['ash-s:p=90', FLOAT64],
  'ASH-S(95)': ['ash-s:p=95', FLOAT64],
  'SCALE(85)': ['scale:p=85', FLOAT64],
  ViM: ['vim', FLOAT64],
  GEN: ['gen', FLOAT64],
};

/** The same for `cifar10.extra.json`. */
const EXTRA: Readonly<Record<string, readonly [spec: string, tolerance: number]>> = {
  Residual: ['residual', FLOAT64],
  GradNorm: ['gradnorm', FLOAT64],
  SHE: ['she', FLOAT64],
  RMDS: ['rmds', SINGULAR],
  fDBD: ['fdbd', FLOAT64],
  'NNGuide(full bank)': ['nnguide', FLOAT64],
  'KL-matching': ['kl-matching', FLOAT64],
  'VRA global q60/q90': ['vra:mode=global,low=60,high=90', FLOAT64],
  'VRA global q60/q95': ['vra:mode=global,low=60,high=95', FLOAT64],
  'VRA per-channel q60/q90': ['vra:mode=channel,low=60,high=90', FLOAT64],
  'VRA per-channel q60/q95': ['vra', FLOAT64],
  'VRA .5/1': ['vra:mode=absolute', FLOAT64],
  TempScale: ['tempscale', FITTED],
};

describe.skipIf(!hasRealData)(
  `methods against the reference on the CIFAR-10 benchmark (${needsData})`,
  () => {
    const rows = [...Object.entries(RESULTS), ...Object.entries(EXTRA)];
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

    it.each(Object.entries(RESULTS))('%s: scores of single samples', (row, [, tolerance]) => {
      const own = scores.get(row)!;
      expectClose(own.get('test')!, samples.test_rows, samples.scores[row]!, tolerance);
      for (const [set, { rows: chosen, scores: expected }] of Object.entries(samples.ood))
        expectClose(own.get(set)!, chosen, expected[row]!, tolerance);
    });

    it.each(Object.entries(EXTRA))('%s: scores of single samples', (row, [, tolerance]) => {
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
  if (process.env.SHOW) console.log(worst);
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
