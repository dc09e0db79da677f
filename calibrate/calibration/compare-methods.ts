import type { Detector, Scorer, Scores } from '../../shared/methods/contract.ts';
import { runFits } from '../../shared/statistics/run-fit.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import type { Io } from '../io.ts';
import { startTask } from '../progress.ts';
import { labelledRows } from './calibrate-detector.ts';
import type { CalibrationInputs } from './gather-inputs.ts';
import { scoreSet } from './score-set.ts';

/** Methods fitted on the same data, with their scores of every set. */
export interface Comparison {
  /** In the order given; those that could not be fitted are left out. */
  readonly methods: readonly ComparedMethod[];
  readonly skipped: readonly { readonly method: string; readonly reason: string }[];
  readonly warnings: readonly string[];
  /** The set whose scores are `id`. */
  readonly idSet: FeatureSet;
}

export interface ComparedMethod {
  readonly spec: string;
  readonly id: Scores;
  readonly ood: readonly { readonly name: string; readonly scores: Scores }[];
}

/**
 * Fits methods on the training set, sharing passes, and scores the evaluation set (or, where there is none, the
 * calibration set) and every OOD set with all of them.
 */
export async function compareMethods(
  detectors: readonly Detector[],
  { head, sets, warnings: known }: CalibrationInputs,
  io: Io,
): Promise<Comparison> {
  const { signal } = io;
  const warnings = new Set(known);
  const idSet = sets.evaluation ?? sets.calibration;
  const outcomes = await runFits({
    detectors,
    head,
    totalRows: { train: sets.train.samples, calibration: sets.calibration.samples },
    openPass: (over) => labelledRows(sets[over]),
    warn: (sentence, { spec }) => warnings.add(`${spec}: ${sentence}`),
    signal,
  });
  const fitted: { spec: string; scorer: Scorer }[] = [];
  const skipped: { method: string; reason: string }[] = [];
  for (const { detector, tensors, error } of outcomes) {
    if (error === undefined) fitted.push({ spec: detector.spec, scorer: detector.prepare(head, tensors) });
    else skipped.push({ method: detector.spec, reason: error.message });
  }
  const scorers = fitted.map(({ scorer }) => scorer);
  const rows = sets.ood.reduce((total, { set }) => total + set.rows, idSet.rows);
  using task = startTask(io.stderr, `scoring with ${fitted.length} methods`, rows, 'rows');
  const score = (set: FeatureSet) =>
    scoreSet(set, head, scorers, { signal, onRows: (count) => task.advance(count) });
  const id = await score(idSet);
  const ood: { name: string; scores: Scores[] }[] = [];
  for (const { name, set } of sets.ood) ood.push({ name, scores: await score(set) });
  task.finish();
  const methods = fitted.map(({ spec }, i) => ({
    spec,
    id: id[i]!,
    ood: ood.map(({ name, scores }) => ({ name, scores: scores[i]! })),
  }));
  return { methods, skipped, warnings: [...warnings], idSet };
}
