import { HimplosError } from '../../shared/errors.ts';
import { Preprocessor } from '../../shared/images/preprocess.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import type { ImageSource } from '../sources/contract.ts';
import { mapAhead } from '../sources/map-ahead.ts';
import { BatchBuilder } from './batch-builder.ts';
import { defaultImageLimits, type ImageLimits } from './decode.ts';
import { type PreparedImage, prepareImage } from './prepare-image.ts';

/** Consecutive images of a source, ready for the classifier. */
export interface ImageBatch {
  /** Number of images, at least 1; all batches but the last have `options.batch`. */
  readonly rows: number;
  /** How many images came in batches before this one. */
  readonly firstRow: number;
  /** Of each image: its name and class label in the source, and the sha256 of its encoded bytes (32 bytes). */
  readonly names: readonly string[];
  readonly labels: readonly (string | undefined)[];
  readonly digests: readonly Uint8Array[];
  /** rows × 3 × height × width; reused after the next step. */
  readonly tensor: Float32Array<ArrayBuffer>;
  readonly height: number;
  readonly width: number;
}

export interface ImageBatchOptions {
  readonly preprocessing: Preprocessing;
  /** Images a batch, from 1. */
  readonly batch: number;
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

/**
 * Decodes and preprocesses a source's images into batches, in the source's order.
 * Throws what the source throws, and naming the image: `bad-input`, `unsupported` or `too-large` for one that
 * cannot be decoded (unless `skipBad`), `bad-input` for one whose input differs in size from those before it.
 */
export async function* imageBatches(
  source: ImageSource,
  options: ImageBatchOptions,
): AsyncGenerator<ImageBatch> {
  const builder = new BatchBuilder(source.address, options.batch);
  for await (const { name, label, image } of preparedImages(source, options)) {
    options.signal?.throwIfAborted();
    if (image instanceof HimplosError) {
      if (!options.skipBad) throw image;
      options.onBad?.(name, image);
      continue;
    }
    builder.add(name, label, image);
    if (builder.isFull) yield builder.finish();
  }
  if (!builder.isEmpty) yield builder.finish();
}

interface Outcome {
  readonly name: string;
  readonly label: string | undefined;
  /** What became of the image, or why nothing did. */
  readonly image: PreparedImage | HimplosError;
}

function preparedImages(source: ImageSource, options: ImageBatchOptions): AsyncIterable<Outcome> {
  const limits = options.limits ?? defaultImageLimits;
  return mapAhead(source.samples(), 2 * options.threads, async ({ name, label, bytes }): Promise<Outcome> => {
    try {
      const preprocessor = new Preprocessor(options.preprocessing);
      return { name, label, image: await prepareImage(bytes, preprocessor, limits, new Float32Array(0)) };
    } catch (cause) {
      return { name, label, image: nameImage(cause, source.address, name) };
    }
  });
}

function nameImage(cause: unknown, address: string, name: string): HimplosError {
  if (!(cause instanceof HimplosError)) throw cause;
  return new HimplosError(cause.code, `${address}: ${name}: ${cause.message}`, {
    ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    cause,
  });
}
