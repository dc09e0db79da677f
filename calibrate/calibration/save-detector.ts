import { detectorVersion, encodeDetector } from '../../shared/artifact/detector.ts';
import { encodeEvaluation } from '../../shared/artifact/evaluation.ts';
import type { ArtifactFile, Manifest } from '../../shared/artifact/manifest.ts';
import { type SelectedRows, selectRows } from '../../shared/artifact/row-selection.ts';
import type { Detector } from '../../shared/methods/contract.ts';
import { writeArtifactFolder } from '../../shared/store/artifact-folder.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { type Calibrated, labelledRows } from './calibrate-detector.ts';
import { buildDetectorGraph } from './detector-graph.ts';
import type { CalibrationData, CalibrationSets } from './gather-inputs.ts';

/**
 * Writes a calibrated detector to a new folder, whole or not at all, with `report` as its page for people. Throws
 * `conflict` when something is there, and `unavailable` when the disk is full.
 */
export async function saveDetector(
  folder: string,
  calibrated: Calibrated,
  detector: Detector,
  { classifier, sets }: Pick<CalibrationData, 'classifier' | 'sets'>,
  report: Uint8Array,
  signal: AbortSignal,
): Promise<Manifest> {
  const { draft, head, tensors, results } = calibrated;
  const stored = await encodeDetector({ ...calibrated, document: draft });
  const files: { name: ArtifactFile; body: Uint8Array }[] = [{ name: 'detector.safetensors', body: stored }];
  if (classifier !== undefined) {
    const { model, found } = classifier;
    const version = await detectorVersion(stored);
    const body = buildDetectorGraph({ model, found, detector, tensors, document: draft, version });
    files.push({ name: 'detector.onnx', body });
  }
  if (sets.evaluation !== undefined || sets.ood.length > 0) {
    files.push({ name: 'evaluation.safetensors', body: await evaluationOf(sets, head.width) });
  }
  const figures = { method: detector.spec, threshold: draft.threshold, data: draft.data, results };
  files.push({ name: 'report.html', body: report });
  files.push({
    name: 'report.json',
    body: new TextEncoder().encode(`${JSON.stringify(figures, null, 2)}\n`),
  });
  return writeArtifactFolder(folder, files, { signal });
}

async function evaluationOf({ evaluation, ood }: CalibrationSets, width: number): Promise<Uint8Array> {
  const id = evaluation === undefined ? null : await selectFrom(evaluation);
  const selected: { name: string; rows: SelectedRows }[] = [];
  for (const { name, set } of ood) selected.push({ name, rows: await selectFrom(set) });
  return encodeEvaluation({ width, id, ood: selected });
}

async function selectFrom(set: FeatureSet): Promise<SelectedRows> {
  const selection = selectRows(set.width);
  for await (const { rows, features, labels } of labelledRows(set))
    selection.add({ rows, features, labels } as never);
  return selection.result();
}
