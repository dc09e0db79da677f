import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Detector, Scores } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { accuracy } from '../../../shared/metrics/accuracy.ts';
import { averageSeparation, measureSeparation, threshold95 } from '../../../shared/metrics/separation.ts';
import { chooseThreshold } from '../../../shared/metrics/threshold.ts';
import { runFits } from '../../../shared/statistics/run-fit.ts';
import type { Tensors } from '../../../shared/tensor.ts';
import { hasRealData, needsData, reference } from '../../real-data.ts';
import { type Cifar10, OOD_SETS, readCifar10 } from './cifar10.ts';
import { portions, scoreAll } from './fit-and-score.ts';
import { scoreWithGraph } from './graph-runner.ts';
import { BASE_SPECS } from './reference-specs.ts';

/** Float64 all the way, except that prototypes are stored as float32. */
const FLOAT64 = 1e-9;
const FLOAT32 = 1e-5;

describe.skipIf(!hasRealData)(`reference scores on the CIFAR-10 benchmark (${needsData})`, () => {
  let data: Cifar10;
  let table: ResultsFile;
  let samples: ScoresFile;
  const fitted = new Map<string, { readonly detector: Detector; readonly tensors: Tensors }>();
  const scoresOf = (row: string, set: Cifar10['test']): Scores => {
    const { detector, tensors } = fitted.get(row)!;
    return scoreAll(detector.prepare(data.head, tensors), data.head, set);
  };

  beforeAll(async () => {
    data = await readCifar10();
    table = JSON.parse(readFileSync(reference('cifar10.results.json'), 'utf8'));
    samples = JSON.parse(readFileSync(reference('cifar10.scores.json'), 'utf8'));
    const outcomes = await runFits({
      detectors: Object.values(BASE_SPECS).map(findDetector),
      head: data.head,
      totalRows: { train: data.train.rows, calibration: data.calibration.rows },
      openPass: (over) => portions(data[over], data.head.width, 512),
    });
    Object.keys(BASE_SPECS).forEach((row, i) => {
      const { detector, tensors, error } = outcomes[i]!;
      if (error !== undefined) throw error;
      fitted.set(row, { detector, tensors: tensors! });
    });
  });

  it.each(Object.keys(BASE_SPECS))('%s: FPR95 and AUROC within 0.05 points', (row) => {
    const id = scoresOf(row, data.test).score;
    const expected = table.methods[row]!;
    expect(Math.abs(threshold95(id.slice().sort()) - expected.threshold95)).toBeLessThan(
      FLOAT32 * Math.max(1, Math.abs(expected.threshold95)),
    );
    const separations = OOD_SETS.map((set) => measureSeparation(id, scoresOf(row, data.ood[set]!).score));
    const named = [
      ...OOD_SETS.map((set, i) => [set, separations[i]!] as const),
      ['average', averageSeparation(separations)] as const,
    ];
    for (const [set, { fpr95, auroc }] of named) {
      expect(Math.abs(fpr95 * 100 - expected.results[set]!.FPR95), `FPR95 on ${set}`).toBeLessThan(0.05);
      expect(Math.abs(auroc * 100 - expected.results[set]!.AUROC), `AUROC on ${set}`).toBeLessThan(0.05);
    }
  });

  it.each(Object.keys(BASE_SPECS))('%s: scores of single samples', (row) => {
    const tolerance = 'prototypes' in fitted.get(row)!.tensors ? FLOAT32 : FLOAT64;
    const sets = [
      { set: data.test, rows: samples.test_rows, expected: samples.scores[row]! },
      ...Object.entries(samples.ood).map(([name, { rows, scores }]) => {
        return { set: data.ood[name]!, rows, expected: scores[row]! };
      }),
    ];
    for (const { set, rows, expected } of sets) {
      const { score } = scoresOf(row, set);
      rows.forEach((sample, i) => {
        const wanted = expected[i]!;
        expect(Math.abs(score[sample]! - wanted)).toBeLessThanOrEqual(
          tolerance * Math.max(1, Math.abs(wanted)),
        );
      });
    }
  });

  it.each([
    'HIMPLoS',
    'HIMPLoS(1.0)',
    'MSP+HIMPLoS',
    'ODIN+HIMPLoS',
    'enh:alpha=20',
    'Energy',
    'MSP',
    'ODIN',
  ])('%s: standard ONNX operators decide every sample alike', async (row) => {
    const { detector, tensors } = fitted.get(row)!;
    const { gamma } = chooseThreshold(scoresOf(row, data.calibration).score, 0.95);
    for (const set of [data.calibration, data.test, ...Object.values(data.ood)]) {
      const own = scoresOf(row, set).score;
      const { score } = await scoreWithGraph(detector, data.head, tensors, set.features, set.rows);
      own.forEach((wanted, i) => {
        expect(Math.abs(score[i]! - wanted)).toBeLessThanOrEqual(FLOAT32 * Math.max(1, Math.abs(wanted)));
      });
      expect(score.map((s) => Number(s >= gamma))).toEqual(own.map((s) => Number(s >= gamma)));
    }
  });

  it('takes λ from the pooled training activations', () => {
    expect(fitted.get('HIMPLoS')!.tensors.clip!.data[0]).toBeCloseTo(table.react_percentiles['90']!, 12);
  });

  it('sets γ by the conformal rule, and has the accuracy of the model', () => {
    const { score } = scoresOf('HIMPLoS(1.0)', data.calibration);
    const ascending = score.slice().sort();
    const { gamma, index } = chooseThreshold(score, 0.95);
    expect(index).toBe(50);
    expect(ascending[49]).toBeCloseTo(8.5085, 4);
    expect(gamma).toBe((ascending[48]! + ascending[49]!) / 2);
    expect(threshold95(ascending)).toBeCloseTo(table.himplos_p50_lam1.gamma_tpr95_calibration, 5);
    expect(accuracy(scoresOf('MSP', data.test).predicted, data.test.labels)).toBeCloseTo(0.8685, 12);
  });
});

interface ResultsFile {
  readonly react_percentiles: Readonly<Record<string, number>>;
  readonly himplos_p50_lam1: { readonly gamma_tpr95_calibration: number };
  readonly methods: Readonly<
    Record<
      string,
      {
        readonly threshold95: number;
        readonly results: Readonly<Record<string, { readonly FPR95: number; readonly AUROC: number }>>;
      }
    >
  >;
}

interface ScoresFile {
  readonly test_rows: readonly number[];
  readonly scores: Readonly<Record<string, readonly number[]>>;
  readonly ood: Readonly<
    Record<
      string,
      { readonly rows: readonly number[]; readonly scores: Readonly<Record<string, readonly number[]>> }
    >
  >;
}
