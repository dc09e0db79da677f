import { HimplosError } from '../../shared/errors.ts';
import { type ImageBatch, type ImageBatchOptions, imageBatches } from '../images/image-batches.ts';
import type { ModelJob } from '../images/image-worker.ts';
import type { ImageSource } from '../sources/contract.ts';
import type { FeatureExtractor } from './feature-extractor.ts';

/** Consecutive images of a source as penultimate features. */
export interface FeatureBatch extends Omit<ImageBatch, 'tensor' | 'height' | 'width'> {
  /** rows × L. */
  readonly features: Float32Array<ArrayBuffer>;
}

/**
 * Bytes of models that threads may hold together, each as a file and as a session: one that is larger has fewer sessions,
 * with more threads each.
 */
const MAX_COPIES_BYTES = 2 ** 31;

/**
 * Penultimate features of a source's images, in the source's order. On a CPU every thread decodes images and runs a
 * session of its own on them, so that none ever waits for another; a GPU has one session, which threads decode for.
 * Throws as {@link imageBatches}, and `bad-model` naming the image whose features are not finite.
 */
export async function* featureBatches(
  source: ImageSource,
  extractor: FeatureExtractor,
  options: Omit<ImageBatchOptions, 'batch' | 'model'>,
): AsyncGenerator<FeatureBatch> {
  const { batch, device, graph, described } = extractor;
  if (device !== 'cpu') {
    for await (const { tensor, height, width, ...images } of imageBatches(source, { ...options, batch })) {
      const features = await extractor.featuresOf({ rows: images.rows, height, width, tensor });
      requireFiniteFeatures(features, images.names, extractor.width);
      yield { ...images, features };
    }
    return;
  }
  const threads = Math.min(options.threads, sessionsFor(graph.length));
  const model: ModelJob = {
    // A copy: a view is sent with all of the memory it lies in.
    ...{ kind: 'open', model: graph.slice(), described },
    threads: Math.floor(options.threads / threads),
  };
  for await (const { tensor, ...images } of imageBatches(source, { ...options, batch, threads, model })) {
    requireFiniteFeatures(tensor, images.names, extractor.width);
    yield { ...images, features: tensor };
  }
}

/** How many sessions a model of so many bytes may have. */
export function sessionsFor(modelBytes: number): number {
  return Math.max(1, Math.floor(MAX_COPIES_BYTES / (2 * modelBytes)));
}

/** Throws `bad-model` naming the image whose features (a row of `width`) are not all finite. */
export function requireFiniteFeatures(features: Float32Array, names: readonly string[], width: number): void {
  let at = 0;
  while (at < features.length && Number.isFinite(features[at])) at++;
  if (at === features.length) return;
  throw new HimplosError(
    'bad-model',
    `the model gives ${features[at]} as feature ${at % width} of ${names[Math.floor(at / width)]}`,
    { hint: 'check mean and std of the preprocessing, and whether the model was exported in half precision' },
  );
}
