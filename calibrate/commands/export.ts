import { type DetectorContents, fingerprintHead } from '../../shared/artifact/detector.ts';
import { loadDetector } from '../../shared/artifact/load-detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import { buildDetectorGraph } from '../calibration/detector-graph.ts';
import type { Io } from '../io.ts';
import { type FoundHead, findHead } from '../onnx/find-head.ts';
import { type OnnxModel, readModel } from '../onnx/read-model.ts';
import { requireVacantFile, writeNewFile } from '../write-file.ts';

export interface ExportOptions {
  readonly detector: string;
  readonly model: string;
  readonly out: string;
  readonly headInput?: string;
}

/**
 * `himplos export`: detector.onnx again, from a detector and the user's model; also for a detector that was calibrated
 * without the model (--head). Throws `unsupported` for a method without a closed graph, `bad-model` for a model with
 * another head than the detector's, `conflict` when there is a file already.
 */
export async function exportDetector(options: ExportOptions, io: Io): Promise<number> {
  const { out } = options;
  await requireVacantFile(out);
  const stored = await loadDetector(openArtifactFolder(options.detector));
  const detector = findDetector(stored.document.method);
  if (detector.graph === undefined) {
    throw new HimplosError('unsupported', `${detector.spec}: this method has no form as an ONNX graph`, {
      hint: 'himplos score uses it all the same; himplos, energy and most other methods can be exported',
    });
  }
  throwIfAborted(io.signal);
  const model = await readModel(options.model);
  const found = findDetectorHead(model, stored, options.headInput);
  await requireSameHead(found, stored, options);
  const graph = buildDetectorGraph({ ...stored, model, found, detector });
  await writeNewFile(out, graph, io.signal);
  io.stderr.write(`${out}: ${detector.spec}, ${(graph.length / 2 ** 20).toFixed(1)} MiB\n`);
  return 0;
}

/** In the very model that the detector was calibrated with, the head is where it was then (--head-input). */
function findDetectorHead(
  model: OnnxModel,
  { document }: DetectorContents,
  headInput: string | undefined,
): FoundHead {
  const known = document.model?.digest === model.digest ? document.model.headInput : undefined;
  const given = headInput ?? known;
  return findHead(model, given === undefined ? {} : { headInput: given });
}

async function requireSameHead(
  { head, headNode }: FoundHead,
  stored: DetectorContents,
  options: ExportOptions,
): Promise<void> {
  const { headFingerprint, classes, width } = stored.document;
  const fingerprint = await fingerprintHead(head);
  if (fingerprint === headFingerprint && head.classes === classes && head.width === width) return;
  throw new HimplosError(
    'bad-model',
    `${options.model}: expected the head that ${options.detector} was calibrated for, ${describeHead(classes, width, headFingerprint)}, got "${headNode}", ${describeHead(head.classes, head.width, fingerprint)}`,
    { hint: 'calibrate again with this model; where it has several heads, name the right one: --head-input' },
  );
}

function describeHead(classes: number, width: number, fingerprint: string): string {
  return `${classes} × ${width} with fingerprint ${fingerprint.slice(0, 12)}…`;
}
