import type { Detector, Scores } from '../../shared/methods/contract.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { parseSpec } from '../../shared/methods/spec.ts';
import type { Calibrated } from '../calibration/calibrate-detector.ts';
import type { CalibrationInputs, InputOptions } from '../calibration/gather-inputs.ts';
import { scoreSet } from '../calibration/score-set.ts';
import { fitFromStored } from '../calibration/stored-statistics.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import type { Io } from '../io.ts';
import { ablate, hasAllParts } from '../results/ablation.ts';
import { separate } from '../results/measure.ts';
import { makeReport } from './gather-report.ts';
import type { ReportData } from './report-data.ts';
import { drawThumbnails } from './thumbnails.ts';

/** The page about a calibrated detector. */
export async function reportCalibration(
  calibrated: Calibrated,
  detector: Detector,
  inputs: CalibrationInputs,
  options: InputOptions & { readonly thumbnails?: boolean },
  io: Io,
): Promise<Uint8Array> {
  const { draft, results, scored } = calibrated;
  const { name, threshold, data } = draft;
  const method = { spec: detector.spec, ...scored };
  const facts = {
    title: name === null ? `Detector ${parseSpec(detector.spec).id}` : `Detector ${name}`,
    summary: `Calibrated from ${data.train.count} training and ${data.calibration.count} held-out samples of ${inputs.head.classes} classes; figures are of the ${data.evaluation === null ? 'calibration set itself, which flatters them' : 'evaluation set'}.`,
    ...{ results, threshold, method },
    ablation: await ablateDetector(calibrated, inputs, io.signal),
    thumbnails: await drawThumbnails(method, inputs, options, io),
  };
  return makeReport(facts, inputs);
}

/**
 * The detector with its parts switched off, fitted from what it stores, so without another pass over the training data;
 * undefined for methods without such parts, and without an OOD set to tell the difference on.
 */
async function ablateDetector(
  { draft, head, tensors, results }: Calibrated,
  { sets }: CalibrationInputs,
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
