import { createHash } from 'node:crypto';
import type { HimplosError } from '../../shared/errors.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import { imageBatches } from '../images/image-batches.ts';
import type { ImageSource, Sample, SampleRange } from '../sources/contract.ts';
import { featureBatches } from './feature-batches.ts';
import type { FeatureExtractor } from './feature-extractor.ts';
import type { Spool } from './spool.ts';

export interface ExtractOptions {
  readonly extractor: FeatureExtractor;
  readonly preprocessing: Preprocessing;
  /** Which of the source's samples. */
  readonly range: SampleRange;
  /**
   * Whether the sample at this position of the source begins a batch. What a model makes of an image depends in its last
   * bits on how many run together (of this project's models, one does), so batches hang on positions, not on where a run
   * was stopped or which samples it was given.
   */
  readonly isCut: (position: number) => boolean;
  /** For decoding and for the model. */
  readonly threads: number;
  readonly skipBad: boolean;
  readonly signal: AbortSignal;
  /** Told about every image passed over. */
  readonly onBad: (name: string, error: HimplosError) => void;
  /** Told, in the source's order, about every row that is in the spool now. */
  readonly onRow: (name: string, label: string | undefined, digest: Uint8Array, position: number) => void;
}

/**
 * Computes the penultimate features of a source's images into a spool. Batches that the spool has already, from an
 * earlier run that was stopped or of which this one is a repetition, are kept as long as their digests are those of the
 * images at hand, in order; from the first difference on everything is computed anew.
 */
export async function extractFeatures(
  source: ImageSource,
  spool: Spool,
  options: ExtractOptions,
): Promise<void> {
  const { extractor, signal, isCut } = options;
  const samples = source.samples(options.range)[Symbol.asyncIterator]();
  try {
    const { first, waiting } = await keepStored(source, samples, spool, options);
    const fresh: ImageSource = { ...source, samples: () => follow(waiting, samples) };
    const { preprocessing, threads, skipBad, onBad } = options;
    const batches = featureBatches(fresh, extractor, {
      preprocessing,
      isCut: (position) => isCut(first + position),
      threads,
      skipBad,
      onBad,
      signal,
    });
    for await (const images of batches) {
      await spool.append(images.features, images.digests);
      images.names.forEach((name, i) => {
        options.onRow(name, images.labels[i], images.digests[i]!, first + images.positions[i]!);
      });
    }
    throwIfAborted(signal);
  } finally {
    await samples.return?.();
  }
}

/**
 * Goes through the images whose batches are in the spool already, and those between them that cannot be decoded; after
 * it the spool holds nothing else.
 * @returns position of the first image to compute, and images from there on that have been read
 */
async function keepStored(
  source: ImageSource,
  samples: AsyncIterator<Sample>,
  spool: Spool,
  options: ExtractOptions,
): Promise<{ readonly first: number; readonly waiting: readonly Sample[] }> {
  const { range, isCut, signal, onRow, onBad } = options;
  const stored = spool.rows;
  const known = new StoredDigests(spool);
  let kept = 0;
  let first = range.first;
  let waiting: {
    readonly sample: Sample;
    readonly digest: Uint8Array;
    readonly fault?: Fault | undefined;
  }[] = [];
  const keep = () => {
    for (const { sample, digest, fault } of waiting) {
      const position = first++;
      if (fault !== undefined) {
        onBad(...fault);
        continue;
      }
      onRow(sample.name, sample.label, digest, position);
      kept++;
    }
    waiting = [];
  };
  for (let [position, row] = [range.first, 0]; ; position++) {
    if (isCut(position)) keep();
    const next = await samples.next();
    throwIfAborted(signal);
    if (next.done) {
      keep();
      break;
    }
    const sample = next.value;
    const digest = createHash('sha256').update(sample.bytes).digest();
    if (row < stored && digest.equals(await known.at(row))) {
      waiting.push({ sample, digest });
      row++;
      continue;
    }
    const fault = row < stored ? await findFault(source, sample, options) : undefined;
    waiting.push({ sample, digest, fault });
    if (fault === undefined) break;
  }
  // Cutting files that are right as they are would disturb another process at work on the same images.
  if (kept < stored) await spool.truncate(kept);
  return { first, waiting: waiting.map(({ sample }) => sample) };
}

/** What {@link ExtractOptions.onBad} is told. */
type Fault = readonly [name: string, error: HimplosError];

/** What is wrong with an image that an earlier run passed over; undefined for one that can be decoded. */
async function findFault(
  source: ImageSource,
  sample: Sample,
  { preprocessing, extractor, skipBad, signal }: ExtractOptions,
): Promise<Fault | undefined> {
  if (!skipBad) return undefined;
  let fault: Fault | undefined;
  const onBad = (...found: Fault) => {
    fault = found;
  };
  const only: ImageSource = {
    ...source,
    async *samples() {
      yield sample;
    },
  };
  const options = { preprocessing, batch: extractor.batch, threads: 1, skipBad, onBad, signal };
  for await (const _ of imageBatches(only, options));
  return fault;
}

/** The digests of a spool, read some thousand at a time. */
class StoredDigests {
  readonly #spool: Spool;
  #bytes = new Uint8Array(0);
  #first = 0;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  async at(row: number): Promise<Uint8Array> {
    if (row >= this.#first + this.#bytes.length / 32) {
      this.#first = row;
      this.#bytes = new Uint8Array(await this.#spool.digests(row, Math.min(this.#spool.rows, row + 4096)));
    }
    const begin = (row - this.#first) * 32;
    return this.#bytes.subarray(begin, begin + 32);
  }
}

async function* follow(waiting: readonly Sample[], samples: AsyncIterator<Sample>): AsyncGenerator<Sample> {
  yield* waiting;
  for (let next = await samples.next(); !next.done; next = await samples.next()) yield next.value;
}
