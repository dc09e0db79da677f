import { HimplosError } from '../../shared/errors.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { abortable } from '../sources/abortable.ts';
import type { ImageSource, Sample } from '../sources/contract.ts';
import { mapAhead } from '../sources/map-ahead.ts';
import { BatchBuilder } from './batch-builder.ts';
import { defaultImageLimits, type ImageLimits } from './decode.ts';
import { ImagePool } from './image-pool.ts';
import type { ModelJob } from './image-worker.ts';

/** Consecutive images of a source that went through threads. */
export interface ImageBatch {
  /** Number of images, from 1 to `options.batch`; fewer than that before a cut, at the end, and where some were passed over. */
  readonly rows: number;
  /** How many images came in batches before this one. */
  readonly firstRow: number;
  /** Of each image: its name and class label in the source, and the sha256 of its encoded bytes (32 bytes). */
  readonly names: readonly string[];
  readonly labels: readonly (string | undefined)[];
  readonly digests: readonly Uint8Array[];
  /** Of each image: how many of the source's samples, bad ones included, came before it. */
  readonly positions: readonly number[];
  /** Size of the classifier's input. */
  readonly height: number;
  readonly width: number;
  /** rows × 3 × height × width, ready for the classifier; or, where a model was given, its features, rows × L. */
  readonly tensor: Float32Array<ArrayBuffer>;
}

export interface ImageBatchOptions {
  readonly preprocessing: Preprocessing;
  /** Samples a batch, from 1. */
  readonly batch: number;
  /** Whether a batch must end before the sample of this position, whatever it holds. */
  readonly isCut?: (position: number) => boolean;
  /** Threads, from 1. */
  readonly threads: number;
  /** Makes features of the images on the same threads; without it their input is the result. */
  readonly model?: ModelJob | undefined;
  /** Whether to pass over images that cannot be decoded; otherwise the first one ends everything. */
  readonly skipBad?: boolean;
  /** Told about every image passed over. */
  readonly onBad?: (name: string, error: HimplosError) => void;
  /** Ends the iteration with its reason. */
  readonly signal?: AbortSignal;
  readonly limits?: ImageLimits;
}

/** Values of one batch's input: 1 GiB, 1700 images of 224 × 224 or 21 of 2048 × 2048. */
const MAX_BATCH_VALUES = 2 ** 28;
/** Values of one image's input, whatever the batch: 128 MiB, some 3300 × 3300 pixels. */
const MAX_IMAGE_VALUES = 2 ** 25;

/**
 * Decodes and preprocesses a source's images in batches, in the source's order, on threads that stay ahead of whoever
 * takes the batches. What is in a batch hangs on positions in the source alone. Throws what the source throws,
 * `interrupted`, what the model makes of a batch, and naming the image: `bad-input`, `unsupported` or `too-large` for one
 * that cannot be decoded (unless `skipBad`), `bad-input` for one whose input differs in size from those before it.
 */
export async function* imageBatches(
  source: ImageSource,
  options: ImageBatchOptions,
): AsyncGenerator<ImageBatch> {
  const { preprocessing, batch, threads, model, signal } = options;
  const limits = {
    ...(options.limits ?? defaultImageLimits),
    values: Math.min(MAX_IMAGE_VALUES, Math.floor(MAX_BATCH_VALUES / batch)),
  };
  const pool = new ImagePool({ preprocessing, limits }, threads, model);
  const builder = new BatchBuilder(source.address);
  // One thread runs the model on a whole batch, and what waits are encoded images and features: enough of them that no
  // thread is without work while an earlier batch takes longer. Mere decoding is shared out more finely, so that the
  // first of large batches is not long in coming and few inputs wait in memory.
  const hasModel = model !== undefined;
  const images = hasModel ? batch : Math.min(MAX_CHUNK_IMAGES, batch);
  const ahead = threads + Math.ceil(hasModel ? AHEAD_IMAGES / batch : batch / images);
  const prepared = mapAhead(chunks(source.samples(), images, batch, options.isCut), ahead, async (chunk) => ({
    ...chunk,
    ...(await pool.prepare(chunk.samples.map(({ bytes }) => bytes))),
  }));
  try {
    for await (const chunk of abortable(prepared, signal)) {
      const good: number[] = [];
      for (const [i, image] of chunk.images.entries()) {
        if (!(image instanceof HimplosError)) {
          good.push(i);
          continue;
        }
        const { name } = chunk.samples[i]!;
        const error = nameImage(image, source.address, name);
        if (!options.skipBad) throw error;
        options.onBad?.(name, error);
      }
      builder.add(chunk, good);
      if (chunk.isLast && !builder.isEmpty) yield builder.finish();
    }
  } finally {
    await pool.close();
  }
}

/** Images that wait for a thread and its model. */
const AHEAD_IMAGES = 16;
/** Images sent to a thread together: a message costs as much as decoding a 32 × 32 JPEG. */
const MAX_CHUNK_IMAGES = 16;

/** Consecutive samples of one batch. */
interface Chunk {
  readonly samples: readonly Sample[];
  /** Of the first sample. */
  readonly position: number;
  /** Whether the batch ends with it. */
  readonly isLast: boolean;
}

async function* chunks(
  samples: AsyncIterable<Sample>,
  images: number,
  batch: number,
  isCut: (position: number) => boolean = () => false,
): AsyncGenerator<Chunk> {
  let chunk: Sample[] = [];
  let first = 0;
  let inBatch = 0;
  const take = (isLast: boolean): Chunk => {
    const taken = { samples: chunk, position: first, isLast };
    first += chunk.length;
    inBatch = isLast ? 0 : inBatch + chunk.length;
    chunk = [];
    return taken;
  };
  for await (const sample of samples) {
    const isFull = inBatch + chunk.length === batch || isCut(first + chunk.length);
    if (chunk.length > 0 && (isFull || chunk.length === images)) yield take(isFull);
    chunk.push(sample);
  }
  if (chunk.length > 0) yield take(true);
}

function nameImage(cause: HimplosError, address: string, name: string): HimplosError {
  return new HimplosError(cause.code, `${address}: ${name}: ${cause.message}`, {
    ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    cause,
  });
}
