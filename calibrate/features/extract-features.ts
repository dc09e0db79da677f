import { createHash } from 'node:crypto';
import { HimplosError } from '../../shared/errors.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import { type ImageBatch, imageBatches } from '../images/image-batches.ts';
import type { ImageSource, Sample } from '../sources/contract.ts';
import type { FeatureExtractor } from './feature-extractor.ts';
import type { Spool } from './spool.ts';

export interface ExtractOptions {
  readonly extractor: FeatureExtractor;
  readonly preprocessing: Preprocessing;
  /** Images a run of the model. */
  readonly batch: number;
  /** Decoding threads. */
  readonly threads: number;
  readonly skipBad: boolean;
  readonly signal: AbortSignal;
  /** Told about every image passed over. */
  readonly onBad: (name: string, error: HimplosError) => void;
  /** Told, in the source's order, about every row that is in the spool now. */
  readonly onRow: (name: string, label: string | undefined, digest: Uint8Array) => void;
}

/**
 * Computes the penultimate features of a source's images into a spool. Rows that the spool has already, from an
 * earlier run that was stopped or of which this one is a repetition, are kept as long as their digests are those of the
 * images at hand, in order; from the first difference on everything is computed anew.
 */
export async function extractFeatures(
  source: ImageSource,
  spool: Spool,
  options: ExtractOptions,
): Promise<void> {
  const { extractor, signal } = options;
  const fresh: ImageSource = { ...source, samples: () => skipStored(source, spool, options) };
  const { preprocessing, threads, skipBad, onBad } = options;
  const batch = extractor.fixedBatch ?? options.batch;
  const batches = imageBatches(fresh, { preprocessing, batch, threads, skipBad, onBad, signal });
  for await (const images of batches) {
    const features = await extractor.featuresOf(images);
    requireFinite(features, images, extractor.width);
    await spool.append(features, images.digests);
    images.names.forEach((name, i) => {
      options.onRow(name, images.labels[i], images.digests[i]!);
    });
  }
  throwIfAborted(signal);
}

/** The images that are not in the spool yet; when the last is out, the spool holds nothing but images before it. */
async function* skipStored(
  source: ImageSource,
  spool: Spool,
  options: ExtractOptions,
): AsyncGenerator<Sample> {
  const stored = spool.rows;
  let matched = 0;
  let known = new Uint8Array(0);
  let knownFrom = 0;
  for await (const sample of source.samples()) {
    throwIfAborted(options.signal);
    if (matched < stored) {
      if (matched >= knownFrom + known.length / 32) {
        knownFrom = matched;
        known = new Uint8Array(await spool.digests(matched, Math.min(stored, matched + 4096)));
      }
      const digest = createHash('sha256').update(sample.bytes).digest();
      const at = (matched - knownFrom) * 32;
      if (digest.equals(known.subarray(at, at + 32))) {
        matched++;
        options.onRow(sample.name, sample.label, digest);
        continue;
      }
      await spool.truncate(matched);
      matched = Number.POSITIVE_INFINITY;
    }
    yield sample;
  }
  if (matched < stored) await spool.truncate(matched);
}

function requireFinite(features: Float32Array, { names }: ImageBatch, width: number): void {
  const at = features.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new HimplosError(
    'bad-model',
    `the model gives ${features[at]} as feature ${at % width} of ${names[Math.floor(at / width)]}`,
    { hint: 'check mean and std of the preprocessing, and whether the model was exported in half precision' },
  );
}
