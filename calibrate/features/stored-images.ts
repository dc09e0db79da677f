import { type LoadedDetector, loadArtifactFile } from '../../shared/artifact/load-detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import type { Io } from '../io.ts';
import type { RunOptions } from '../options.ts';
import { openExtractor } from './feature-extractor.ts';
import type { GatherContext } from './gather-set.ts';

/** 2 GiB, the most that protobuf allows. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/**
 * What a stored detector needs to turn images into features: detector.onnx up to its features in a session, and its
 * preprocessing.
 * Throws `bad-usage` when the detector was calibrated without a model or without preprocessing.
 */
export async function openStoredImages(
  folder: string,
  { manifest, document, head }: LoadedDetector,
  options: RunOptions,
  io: Io,
): Promise<NonNullable<GatherContext['images']>> {
  const { preprocessing } = document;
  if (document.model === null || preprocessing === null) {
    const missing = document.model === null ? 'a model (--head)' : 'the preprocessing of images';
    throw new HimplosError(
      'bad-usage',
      `${folder} was calibrated without ${missing}: it scores features, not images`,
      {
        hint: 'calibrate with --model and --preprocess, or give features (.npy, .safetensors)',
      },
    );
  }
  const model = await loadArtifactFile(
    openArtifactFolder(folder),
    manifest,
    'detector.onnx',
    MAX_MODEL_BYTES,
  );
  const digest = manifest.files.find(({ name }) => name === 'detector.onnx')!.sha256;
  const extractor = await openExtractor(
    model,
    { name: `${folder}/detector.onnx`, digest, width: head.width },
    options,
  );
  io.stderr.write(`${folder}/detector.onnx runs on ${extractor.device}\n`);
  const { threads, skipBad = false } = options;
  return { extractor, preprocessing, threads, skipBad };
}
