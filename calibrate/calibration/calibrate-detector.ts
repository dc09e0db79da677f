import type { DetectorContents, DetectorDraft } from '../../shared/artifact/detector.ts';
import type { DataSummary, DetectorTuning } from '../../shared/artifact/detector-document.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Detector, Scores } from '../../shared/methods/contract.ts';
import { chooseThreshold } from '../../shared/metrics/threshold.ts';
import { runFit } from '../../shared/statistics/run-fit.ts';
import type { Tensors } from '../../shared/tensor.ts';
import { countPerClass, type FeatureSet } from '../features/feature-set.ts';
import type { Io } from '../io.ts';
import { measureId, separate } from '../results/measure.ts';
import type { Results } from '../results/results.ts';
import type { SampleRange } from '../sources/contract.ts';
import { toolVersion } from '../tool-version.ts';
import type { CalibrationData } from './gather-inputs.ts';
import { scoreSet } from './score-set.ts';

/** What to calibrate. */
export interface CalibrationChoice {
  readonly detector: Detector;
  readonly allowMissingClasses: boolean;
  readonly tpr: number;
  readonly name: string | null;
  /** How the detector's parameters were chosen, where they were. */
  readonly tuning?: DetectorTuning;
}

/** A detector ready to be saved, and how well it does. */
export interface Calibrated extends Pick<DetectorContents, 'head' | 'tensors' | 'calibrationScores'> {
  readonly draft: DetectorDraft;
  readonly results: Results;
  /** Scores of the set that `results` are of, and of every OOD set. */
  readonly scored: {
    readonly id: Scores;
    readonly ood: readonly { readonly name: string; readonly scores: Scores }[];
  };
}

/**
 * Fits a method on the training set, sets γ on the calibration set and measures on the evaluation set (or, where there
 * is none, the calibration set) against each OOD set.
 * Throws `bad-input` for classes without training rows, too few calibration scores, or statistics that a method cannot
 * work with.
 */
export async function calibrateDetector(
  choice: CalibrationChoice,
  inputs: CalibrationData,
  io: Io,
  fitDetector: FitDetector = fitFromSets,
): Promise<Calibrated> {
  const { detector, tpr } = choice;
  const { head, sets } = inputs;
  const { signal } = io;
  const warnings = [...inputs.warnings];
  if (choice.tuning !== undefined) {
    warnings.push(
      'parameters and γ were chosen on the same held-out samples: what γ promises holds approximately (coverage of an evaluation set shows how well)',
    );
  }
  const missingClasses = findMissingClasses(inputs, choice.allowMissingClasses);
  if (missingClasses.length > 0) {
    warnings.push(
      `${missingClasses.length} classes have no training samples: ${detector.spec} may always refuse them`,
    );
  }
  const tensors = await fitDetector(detector, inputs, {
    warn: (sentence) => warnings.push(sentence),
    signal,
  });
  const scorer = detector.prepare(head, tensors);
  const score = async (set: FeatureSet) => (await scoreSet(set, head, [scorer], { signal }))[0]!;

  const calibrationScores = await score(sets.calibration);
  const { gamma, index } = chooseThreshold(calibrationScores.score, tpr);
  const collapsed = detector.collapsedScore?.(head);
  if (collapsed !== undefined && gamma <= collapsed) {
    warnings.push(
      `γ = ${gamma.toPrecision(6)} is not above ${collapsed.toPrecision(6)}, the score of a sample unlike every class: samples that resemble no class are accepted`,
    );
  }
  const idSet = sets.evaluation ?? sets.calibration;
  const idScores = sets.evaluation === undefined ? calibrationScores : await score(sets.evaluation);
  const ood: { name: string; scores: Scores }[] = [];
  for (const { name, set } of sets.ood) ood.push({ name, scores: await score(set) });

  const id = measureId(idScores, idSet.labels, gamma);
  const rows = separate(detector.spec, idScores, ood);
  return {
    head,
    tensors,
    calibrationScores: calibrationScores.score,
    results: { rows, id, warnings },
    scored: { id: idScores, ood },
    draft: {
      toolVersion,
      name: choice.name,
      method: detector.spec,
      ...(choice.tuning !== undefined && { tuning: choice.tuning }),
      threshold: { gamma, tpr, rule: 'conformal-midpoint', calibrationScores: sets.calibration.rows, index },
      classNames: inputs.classNames,
      missingClasses,
      model: inputs.model,
      preprocessing: inputs.preprocessing,
      data: {
        train: summarise(sets.train, null, head.classes),
        calibration: summarise(sets.calibration, null, head.classes),
        evaluation: sets.evaluation === undefined ? null : summarise(sets.evaluation, null, head.classes),
        ood: sets.ood.map(({ name, set }) => ({ ...summarise(set, name, head.classes), name })),
      },
      metrics: {
        id: {
          on: sets.evaluation === undefined ? 'calibration' : 'evaluation',
          ...id,
          coverage: id.coverage!,
        },
        ood: rows
          .slice(0, ood.length)
          .map(({ ood: name, n_ood: n, fpr95, fpr95_ood, auroc, aupr_in, aupr_out }) => {
            return { name, n, fpr95, fpr95_ood, auroc, aupr_in, aupr_out };
          }),
      },
      warnings,
    },
  };
}

/** Fits a method on the training set, wherever its statistics come from. */
export type FitDetector = (
  detector: Detector,
  data: CalibrationData,
  options: { readonly warn: (sentence: string) => void; readonly signal: AbortSignal },
) => Promise<Tensors>;

/** Reads the training set as often as the method wants. */
export const fitFromSets: FitDetector = (detector, { head, sets }, options) =>
  runFit(detector, {
    head,
    totalRows: { train: sets.train.samples, calibration: sets.calibration.samples },
    openPass: (over) => labelledRows(sets[over]),
    ...options,
  });

/** The rows of a set (or those of a range) with their labels, as fits read them: where a sample was passed over, a portion ends. */
export async function* labelledRows(set: FeatureSet, range?: SampleRange) {
  for await (const batch of set.batches(512, range)) {
    const { rows, features } = batch;
    for (let at = 0, end = 0; at < rows; at = end) {
      const firstRow = set.positionOf(batch.firstRow + at);
      for (end = at + 1; end < rows; end++) {
        if (set.positionOf(batch.firstRow + end) !== firstRow + end - at) break;
      }
      yield {
        rows: end - at,
        firstRow,
        features: features.subarray(at * set.width, end * set.width),
        labels: set.labels.subarray(batch.firstRow + at, batch.firstRow + end),
      };
    }
  }
}

/** Classes without training rows; none where the training set has no labels at all. Throws `bad-input`. */
function findMissingClasses(
  { sets, head, classNames }: CalibrationData,
  allowMissingClasses: boolean,
): number[] {
  const perClass = countPerClass(sets.train, head.classes);
  const missing = (perClass ?? []).flatMap((count, index) => (count === 0 ? [index] : []));
  if (missing.length === 0 || allowMissingClasses) return missing;
  const names = missing.slice(0, 5).map((index) => classNames[index]);
  throw new HimplosError(
    'bad-input',
    `${missing.length} of ${head.classes} classes have no training samples: ${names.join(', ')}${missing.length > 5 ? ', …' : ''}`,
    { hint: 'add samples of them, or accept that they have no prototype: --allow-missing-classes' },
  );
}

function summarise(set: FeatureSet, name: string | null, classes: number): DataSummary {
  const { kind, digest, rows } = set;
  return { name, kind, digest, count: rows, perClass: countPerClass(set, classes) };
}
