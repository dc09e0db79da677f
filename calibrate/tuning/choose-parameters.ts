import type { DetectorTuning } from '../../shared/artifact/detector-document.ts';
import { HimplosError } from '../../shared/errors.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { averageSeparation, measureSeparation } from '../../shared/metrics/separation.ts';
import { runFits } from '../../shared/statistics/run-fit.ts';
import { labelledRows } from '../calibration/calibrate-detector.ts';
import type { CalibrationData } from '../calibration/gather-inputs.ts';
import { scoreSet } from '../calibration/score-set.ts';
import type { SampledRows } from '../report/sampled-rows.ts';
import type { Outliers } from './feature-outliers.ts';
import type { Grid } from './grid.ts';

/** A point of the grid and how well it tells held-out samples from synthetic outliers. */
export interface TunedPoint {
  /** Canonical spec. */
  readonly spec: string;
  /** Means over the kinds of outliers, fractions of 1. */
  readonly fpr95: number;
  readonly auroc: number;
}

export interface Choice {
  /** Every point that could be fitted, best first: highest AUROC, then lowest FPR95, then the order of the grid. */
  readonly points: readonly TunedPoint[];
  /** For the artifact. */
  readonly tuning: DetectorTuning;
}

/**
 * Chooses the point of a grid with the highest AUROC against synthetic outliers, averaged over their kinds: the order of
 * all scores says more than one threshold where outliers are not the ones to come (rationale.md has the numbers). Sees
 * training data, held-out in-distribution samples, and what was made of them; no OOD set.
 * Throws `bad-input` when no point can be fitted.
 */
export async function chooseParameters(
  grid: Grid,
  {
    head,
    sets,
  }: Pick<CalibrationData, 'head'> & {
    readonly sets: Pick<CalibrationData['sets'], 'train' | 'calibration'>;
  },
  heldOut: SampledRows,
  outliers: readonly Outliers[],
  { seed, signal }: { readonly seed: number; readonly signal: AbortSignal },
): Promise<Choice> {
  const specs = [...new Set(grid.points.map(({ spec }) => spec))];
  const outcomes = await runFits({
    detectors: specs.map(findDetector),
    head,
    totalRows: { train: sets.train.rows, calibration: sets.calibration.rows },
    openPass: (over) => labelledRows(sets[over]),
    signal,
  });
  const fitted = outcomes.flatMap(({ detector, tensors }) =>
    tensors === undefined ? [] : [{ spec: detector.spec, scorer: detector.prepare(head, tensors) }],
  );
  if (fitted.length === 0) throw noPoint(outcomes[0]!.error!);
  const scorers = fitted.map(({ scorer }) => scorer);
  const score = (rows: Pick<SampledRows, 'rows' | 'features'>) =>
    scoreSet(inMemory(rows, head.width), head, scorers, { signal });
  const id = await score(heldOut);
  const ood = await Promise.all(outliers.map(score));
  const points = fitted
    .map(({ spec }, i): TunedPoint => {
      const { fpr95, auroc } = averageSeparation(
        ood.map((scores) => measureSeparation(id[i]!.score, scores[i]!.score)),
      );
      return { spec, fpr95, auroc };
    })
    .sort((a, b) => b.auroc - a.auroc || a.fpr95 - b.fpr95);
  const { fpr95, auroc } = points[0]!;
  return {
    points,
    tuning: {
      grid: grid.axes,
      points: points.length,
      heldOut: { from: 'calibration', count: heldOut.rows },
      outliers: outliers.map(({ kind, rows }) => ({ kind, count: rows })),
      seed,
      ...{ fpr95, auroc },
    },
  };
}

/** Rows in memory as a set that can be scored. */
function inMemory({ rows, features }: Pick<SampledRows, 'rows' | 'features'>, width: number) {
  return {
    rows,
    batches: async function* (limit: number) {
      for (let firstRow = 0; firstRow < rows; firstRow += limit) {
        const count = Math.min(limit, rows - firstRow);
        yield {
          rows: count,
          firstRow,
          features: features.subarray(firstRow * width, (firstRow + count) * width),
        };
      }
    },
  };
}

function noPoint(cause: HimplosError): HimplosError {
  return new HimplosError('bad-input', `no point of the grid could be fitted: ${cause.message}`, {
    hint: cause.hint ?? 'tune another method, or give it the data it misses',
    cause,
  });
}
