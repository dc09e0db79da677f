import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { requireFiniteFeatures } from '../features/feature-batches.ts';
import type { FeatureExtractor } from '../features/feature-extractor.ts';
import { imageBatches } from '../images/image-batches.ts';
import { seededRandom } from '../seeded-random.ts';
import type { ImageSource, Sample } from '../sources/contract.ts';
import { DISTORTIONS } from './distort-images.ts';
import type { Outliers } from './feature-outliers.ts';

export interface ImageOutlierOptions {
  readonly extractor: FeatureExtractor;
  readonly preprocessing: Preprocessing;
  readonly threads: number;
  readonly skipBad?: boolean;
  /** Most images to distort. */
  readonly limit: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onImages: (count: number) => void;
}

/** Encoded images kept in memory to be put into another order. */
const MAX_BYTES = 2 ** 28;

/**
 * Outliers made of held-out in-distribution images alone: noisy, with their patches shuffled, mixed two by two, blurred
 * ({@link DISTORTIONS}); as many of each kind as images were taken. The same seed gives the same outliers.
 */
export async function imageOutliers(source: ImageSource, options: ImageOutlierOptions): Promise<Outliers[]> {
  const { extractor, preprocessing, threads, skipBad = false, seed, signal, onImages } = options;
  const random = seededRandom(seed);
  const samples = await takeShuffled(source, options.limit, random);
  const { batch } = extractor;
  const kinds = Object.keys(DISTORTIONS);
  const features = kinds.map((): Float32Array[] => []);
  const shuffled: ImageSource = {
    ...source,
    samples: async function* () {
      yield* samples;
    },
  };
  for await (const images of imageBatches(shuffled, { preprocessing, batch, threads, skipBad, signal })) {
    const size = 3 * images.height * images.width;
    const tensor = new Float32Array(images.rows * size);
    for (const [k, kind] of kinds.entries()) {
      for (let row = 0; row < images.rows; row++) {
        DISTORTIONS[kind]!(images.tensor, row * size, images, tensor.subarray(row * size), random);
      }
      const own = await extractor.featuresOf({ ...images, tensor });
      requireFiniteFeatures(own, images.names, extractor.width);
      features[k]!.push(own.slice());
      onImages(images.rows);
    }
  }
  return kinds.map((kind, k) => {
    const all = new Float32Array(features[k]!.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of features[k]!) {
      all.set(part, at);
      at += part.length;
    }
    return { kind, rows: all.length / extractor.width, features: all };
  });
}

/** At most `limit` images, evenly spaced over the source and then shuffled, so that neighbours differ in class. */
async function takeShuffled(source: ImageSource, limit: number, random: () => number): Promise<Sample[]> {
  const { samples: total } = await source.survey();
  const count = Math.min(limit, total);
  const taken: Sample[] = [];
  let bytes = 0;
  let at = 0;
  for await (const sample of source.samples()) {
    if (taken.length === count || bytes > MAX_BYTES) break;
    if (at++ !== Math.floor((taken.length * total) / count)) continue;
    taken.push(sample);
    bytes += sample.bytes.length;
  }
  for (let i = taken.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [taken[i], taken[j]] = [taken[j]!, taken[i]!];
  }
  return taken;
}
