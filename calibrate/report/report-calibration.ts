import type { Scores } from '../../shared/methods/contract.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { parseSpec } from '../../shared/methods/spec.ts';
import type { Calibrated } from '../calibration/calibrate-detector.ts';
import type { CalibrationData } from '../calibration/gather-inputs.ts';
import { scoreSet } from '../calibration/score-set.ts';
import { fitFromStored } from '../calibration/stored-statistics.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { ablate, hasAllParts } from '../results/ablation.ts';
import { separate } from '../results/measure.ts';
import { makeReport } from './gather-report.ts';
import type { ReportData } from './report-data.ts';

/** The page about a calibrated detector. */
export async function reportCalibration(
  calibrated: Calibrated,
  inputs: CalibrationData,
  signal: AbortSignal,
  thumbnails: ReportData['thumbnails'] = new Map(),
): Promise<Uint8Array> {
  const { draft, results, scored } = calibrated;
  const { name, threshold, tuning, data } = draft;
  const method = { spec: draft.method, ...scored };
  const facts = {
    title: name === null ? `Detector ${parseSpec(draft.method).id}` : `Detector ${name}`,
    summary: `Calibrated from ${data.train.count} training and ${data.calibration.count} held-out samples of ${inputs.head.classes} classes; figures are of the ${data.evaluation === null ? 'calibration set itself, which flatters them' : 'evaluation set'}.`,
    ...{ results, threshold, tuning, method },
    ablation: await ablateDetector(calibrated, inputs, signal),
    thumbnails,
  };
  return makeReport(facts, inputs);
}

/**
 * The detector with its parts switched off, fitted from what it stores, so without another pass over the training data;
 * undefined for methods without such parts, and without an OOD set to tell the difference on.
 */
async function ablateDetector(
  { draft, head, tensors, results }: Calibrated,
  { sets }: CalibrationData,
  signal: AbortSignal,
): Promise<ReportData['ablation']> {
  if (sets.ood.length === 0 || !hasAllParts(draft.method)) return undefined;
  const { specs, labels } = ablate(draft.method);
  const scorers = specs.map((spec) => {
    const detector = findDetector(spec);
    return detector.prepare(head, fitFromStored(detector, { head, tensors, document: draft }));
  });
  const score = (set: FeatureSet) => scoreSet(set, head, scorers, { signal });
  const id = await score(sets.evaluation ?? sets.calibration);
  const ood: { name: string; scores: Scores[] }[] = [];
  for (const { name, set } of sets.ood) ood.push({ name, scores: await score(set) });
  const rows = specs.flatMap((spec, i) =>
    separate(
      spec,
      id[i]!,
      ood.map(({ name, scores }) => ({ name, scores: scores[i]! })),
    ),
  );
  return { results: { rows, id: results.id }, labels };
}
