import { setTimeout as delay } from 'node:timers/promises';
import { openExtractor } from '../../calibrate/features/feature-extractor.ts';
import { type PreparedImage, prepareImage } from '../../calibrate/images/prepare-image.ts';
import type { SessionOptions } from '../../calibrate/session.ts';
import { HimplosError } from '../../shared/errors.ts';
import { Preprocessor } from '../../shared/images/preprocess.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import type { ImageModel } from '../http/service.ts';
import { IMAGE_LIMITS } from './image-limits.ts';

/** Images a run of the model: more gain nothing on a function's few cores and cost memory. */
const RUN_IMAGES = 8;
/** While one image is decoded on the decoder's own thread, another is resized on this one. */
const LANES = 2;

export interface ImageModelOptions extends SessionOptions {
  /** What to call the model in messages. */
  readonly name: string;
  /** SHA-256 of the model's bytes. */
  readonly digest: string;
  readonly preprocessing: Preprocessing;
  /** L. */
  readonly width: number;
}

/**
 * Opens the classifier in detector.onnx, up to its features: decoding, preprocessing and session are the calibration
 * tool's own.
 * @param model is overwritten in part
 * Throws `bad-model`, `unsupported` or `unavailable` (see `openExtractor`).
 */
export async function openImageModel(model: Uint8Array, options: ImageModelOptions): Promise<ImageModel> {
  const { preprocessing, width } = options;
  const { batch, featuresOf } = await openExtractor(model, options, {
    ...options,
    batch: RUN_IMAGES,
  });
  const preprocessor = new Preprocessor(preprocessing);

  async function prepare(images: readonly Uint8Array[], first: number, deadlineMs: number) {
    const prepared: ImageInput[] = [];
    let next = 0;
    const lane = async () => {
      while (next < images.length) {
        const index = next++;
        prepared[index] = await naming(first + index, async () =>
          before(deadlineMs, prepareInput(images[index]!, preprocessor)),
        );
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return prepared;
  }

  /** Runs images of one size; those of another size are run after them. */
  async function run(images: readonly ImageInput[], first: number, into: Float32Array): Promise<void> {
    const { height, width: imageWidth } = images[0]!;
    const values = 3 * height * imageWidth;
    const end = images.findIndex((image) => image.height !== height || image.width !== imageWidth);
    const rows = end < 0 ? images.length : end;
    const tensor = new Float32Array(rows * values);
    for (let row = 0; row < rows; row++) tensor.set(images[row]!.input, row * values);
    const features = await naming(first, async () => {
      try {
        return await featuresOf({ rows, height, width: imageWidth, tensor });
      } catch (cause) {
        throw isSizeFixed(preprocessing) ? cause : asImagesFault(cause);
      }
    });
    for (let row = 0; row < rows; row++) {
      await naming(first + row, async () =>
        requireFiniteRow(features.subarray(row * width, (row + 1) * width)),
      );
    }
    into.set(features, first * width);
    if (rows < images.length) await run(images.slice(rows), first + rows, into);
  }

  return {
    async run(images, budgetMs) {
      const deadlineMs = performance.now() + budgetMs;
      const features = new Float32Array(images.length * width);
      for (let first = 0; first < images.length; first += batch) {
        const prepared = await prepare(images.slice(first, first + batch), first, deadlineMs);
        await run(prepared, first, features);
      }
      return features;
    },
  };
}

interface ImageInput extends PreparedImage {
  readonly input: Float32Array;
}

async function prepareInput(bytes: Uint8Array, preprocessor: Preprocessor): Promise<ImageInput> {
  let input = new Float32Array(0);
  const image = await prepareImage(bytes, preprocessor, IMAGE_LIMITS, (values) => {
    input = new Float32Array(values);
    return input;
  });
  return { ...image, input };
}

function isSizeFixed({ crop, resize }: Preprocessing): boolean {
  return crop !== null || (resize !== null && 'width' in resize);
}

/** Where images decide the size of the input, a size that the model fails at is the image's fault. */
function asImagesFault(cause: unknown): unknown {
  if (!(cause instanceof HimplosError) || cause.code !== 'bad-model') return cause;
  return new HimplosError('bad-input', `the model does not take an image of this size: ${cause.message}`, {
    cause,
  });
}

/** Nothing can be said of an image that the model has no numbers for; the others of a listing can be scored. */
function requireFiniteRow(features: Float32Array): void {
  let at = 0;
  while (at < features.length && Number.isFinite(features[at])) at++;
  if (at === features.length) return;
  throw new HimplosError('bad-input', `the model gives ${features[at]} as feature ${at}`, {
    hint: 'send another image; if others fail as well, a layer of the model overflows or the preprocessing is wrong',
  });
}

/** Waits for one image, but not past the deadline: the decoder cannot be stopped, its bounds on pixels end it. */
async function before<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const left = deadlineMs - performance.now();
  const late = delay(Math.max(0, left), undefined, { signal: timer.signal }).then(() => {
    throw new HimplosError('too-large', 'there was no time left for it', {
      hint: 'send fewer or smaller images a request',
    });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
    for (const promise of [work, late]) promise.catch(() => undefined);
  }
}

/** Says which image an error is about. What to do about a bad one is another thing here than on a command line. */
async function naming<T>(index: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof HimplosError) || !CALLERS_FAULTS.has(cause.code)) throw cause;
    const hint = cause.hint?.replace(/, or go on without it \(--skip-bad\)/, '');
    throw new HimplosError(cause.code, `images[${index}]: ${cause.message}`, {
      ...(hint !== undefined && { hint }),
      cause,
    });
  }
}

const CALLERS_FAULTS: ReadonlySet<string> = new Set(['bad-input', 'unsupported', 'too-large']);
