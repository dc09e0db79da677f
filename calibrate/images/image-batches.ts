import { HimplosError } from '../../shared/errors.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { abortable } from '../sources/abortable.ts';
import type { ImageSource, Sample } from '../sources/contract.ts';
import { mapAhead } from '../sources/map-ahead.ts';
import { BatchBuilder } from './batch-builder.ts';
import { defaultImageLimits, type ImageLimits } from './decode.ts';
import { DecodePool } from './decode-pool.ts';

/** Consecutive images of a source, ready for the classifier. */
export interface ImageBatch {
  /** Number of images, from 1 to `options.batch`, which only the last batch and those before a cut do not reach. */
  readonly rows: number;
  /** How many images came in batches before this one. */
  readonly firstRow: number;
  /** Of each image: its name and class label in the source, and the sha256 of its encoded bytes (32 bytes). */
  readonly names: readonly string[];
  readonly labels: readonly (string | undefined)[];
  readonly digests: readonly Uint8Array[];
  /** Of each image: how many of the source's samples, bad ones included, came before it. */
  readonly positions: readonly number[];
  /** rows × 3 × height × width; reused after the next step. */
  readonly tensor: Float32Array<ArrayBuffer>;
  readonly height: number;
  readonly width: number;
}

export interface ImageBatchOptions {
  readonly preprocessing: Preprocessing;
  /** Images a batch, from 1. */
  readonly batch: number;
  /** Whether a batch must end before the sample of this position, whatever it holds. */
  readonly isCut?: (position: number) => boolean;
  /** Decoding threads, from 1. */
  readonly threads: number;
  /** Whether to pass over images that cannot be decoded; otherwise the first one ends everything. */
  readonly skipBad?: boolean;
  /** Told about every image passed over. */
  readonly onBad?: (name: string, error: HimplosError) => void;
  /** Ends the iteration with its reason. */
  readonly signal?: AbortSignal;
  readonly limits?: ImageLimits;
}

/** Values of one batch's tensor: 1 GiB, 1700 images of 224 × 224 or 21 of 2048 × 2048. */
const MAX_BATCH_VALUES = 2 ** 28;

/**
 * Decodes and preprocesses a source's images into batches, in the source's order, on threads that stay a batch
 * ahead. Throws what the source throws, `interrupted`, and naming the image: `bad-input`, `unsupported` or
 * `too-large` for one that cannot be decoded (unless `skipBad`), `bad-input` for one whose input differs in size
 * from those before it.
 */
export async function* imageBatches(
  source: ImageSource,
  options: ImageBatchOptions,
): AsyncGenerator<ImageBatch> {
  const { preprocessing, batch, threads, signal } = options;
  const limits = { ...(options.limits ?? defaultImageLimits), values: Math.floor(MAX_BATCH_VALUES / batch) };
  const pool = new DecodePool({ preprocessing, limits }, threads);
  const builder = new BatchBuilder(source.address, batch);
  const images = Math.min(MAX_CHUNK_IMAGES, Math.ceil(batch / (2 * threads)));
  // A whole batch is under way while the model, which keeps this thread, works on the one before it.
  const ahead = Math.ceil(batch / images) + threads;
  const prepared = mapAhead(chunks(source.samples(), images), ahead, async (samples) => ({
    samples,
    results: await pool.prepare(samples.map(({ bytes }) => bytes)),
  }));
  let position = -1;
  try {
    for await (const { samples, results } of abortable(prepared, signal)) {
      for (const [i, image] of results.entries()) {
        position++;
        if (!builder.isEmpty && options.isCut?.(position)) yield builder.finish();
        const { name, label } = samples[i]!;
        if (image instanceof HimplosError) {
          const error = nameImage(image, source.address, name);
          if (!options.skipBad) throw error;
          options.onBad?.(name, error);
          continue;
        }
        builder.add(name, label, image, position);
        pool.recycle(image.tensor);
        if (builder.isFull) yield builder.finish();
      }
    }
    if (!builder.isEmpty) yield builder.finish();
  } finally {
    await pool.close();
  }
}

/** Images sent to a thread together: a message costs as much as decoding a tenth of a 32 × 32 image. */
const MAX_CHUNK_IMAGES = 16;
/** Encoded bytes after which no more are added: large images take long enough by themselves. */
const CHUNK_BYTES = 2 ** 20;

async function* chunks(samples: AsyncIterable<Sample>, images: number): AsyncGenerator<readonly Sample[]> {
  let chunk: Sample[] = [];
  let bytes = 0;
  for await (const sample of samples) {
    chunk.push(sample);
    bytes += sample.bytes.length;
    if (chunk.length < images && bytes < CHUNK_BYTES) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

function nameImage(cause: HimplosError, address: string, name: string): HimplosError {
  return new HimplosError(cause.code, `${address}: ${name}: ${cause.message}`, {
    ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    cause,
  });
}
