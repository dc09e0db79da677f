import { type ImageBatch, type ImageBatchOptions, imageBatches } from '../images/image-batches.ts';
import type { ModelJob } from '../images/image-worker.ts';
import type { ImageSource } from '../sources/contract.ts';
import type { FeatureExtractor } from './feature-extractor.ts';

/** Consecutive images of a source as penultimate features. */
export interface FeatureBatch extends Omit<ImageBatch, 'tensor' | 'height' | 'width'> {
  /** rows × L. */
  readonly features: Float32Array<ArrayBuffer>;
}

/** Bytes of weights that sessions may hold together: a model that is larger has one session with all threads. */
const MAX_COPIES_BYTES = 2 ** 30;

/**
 * Penultimate features of a source's images, in the source's order. On a CPU every thread decodes images and runs a
 * session of its own on them, so that none ever waits for another; a GPU has one session, which threads decode for.
 * Throws as {@link imageBatches}.
 */
export async function* featureBatches(
  source: ImageSource,
  extractor: FeatureExtractor,
  options: Omit<ImageBatchOptions, 'batch' | 'model'>,
): AsyncGenerator<FeatureBatch> {
  const { batch, device, graph, described } = extractor;
  if (device !== 'cpu') {
    for await (const { tensor, height, width, ...images } of imageBatches(source, { ...options, batch })) {
      yield { ...images, features: await extractor.featuresOf({ rows: images.rows, height, width, tensor }) };
    }
    return;
  }
  const threads = Math.min(options.threads, Math.max(1, Math.floor(MAX_COPIES_BYTES / graph.length)));
  const model: ModelJob = {
    ...{ kind: 'open', model: graph, described },
    threads: Math.floor(options.threads / threads),
  };
  for await (const { tensor, ...images } of imageBatches(source, { ...options, batch, threads, model })) {
    yield { ...images, features: tensor };
  }
}
