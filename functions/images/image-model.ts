import { setTimeout as delay } from 'node:timers/promises';
import { openExtractor } from '../../calibrate/features/feature-extractor.ts';
import {
  type PreparedImage,
  type PrepareLimits,
  prepareImage,
} from '../../calibrate/images/prepare-image.ts';
import type { SessionOptions } from '../../calibrate/session.ts';
import { HimplosError } from '../../shared/errors.ts';
import { Preprocessor } from '../../shared/images/preprocess.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import type { ImageModel } from '../http/service.ts';

/** What one image may cost: 32 megapixels are 96 MiB once decoded, and two are decoded at a time. */
export const IMAGE_LIMITS: PrepareLimits = { bytes: 16 * 2 ** 20, pixels: 32 * 2 ** 20, values: 2 ** 24 };

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
 * Opens detector.onnx for scoring images: decoding, preprocessing and session are the calibration tool's own.
 * Throws `bad-model`, `unsupported` or `unavailable` (see `openExtractor`).
 */
export async function openImageModel(model: Uint8Array, options: ImageModelOptions): Promise<ImageModel> {
  const { preprocessing, width } = options;
  const extractor = await openExtractor(model, options, options);
  const preprocessor = new Preprocessor(preprocessing);
  const runImages = extractor.fixedBatch ?? RUN_IMAGES;

  async function prepare(images: readonly Uint8Array[], first: number, deadlineMs: number) {
    const prepared: PreparedImage[] = [];
    let next = 0;
    const lane = async () => {
      while (next < images.length) {
        const index = next++;
        prepared[index] = await naming(first + index, async () =>
          before(deadlineMs, prepareImage(images[index]!, preprocessor, IMAGE_LIMITS, allocate)),
        );
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return prepared;
  }

  async function run(images: readonly PreparedImage[], first: number): Promise<Float32Array> {
    const { height, width: imageWidth } = images[0]!;
    const values = 3 * height * imageWidth;
    const tensor = new Float32Array(images.length * values);
    for (const [row, image] of images.entries()) {
      if (image.height !== height || image.width !== imageWidth) {
        return join([await run(images.slice(0, row), first), await run(images.slice(row), first + row)]);
      }
      tensor.set(image.tensor.subarray(0, values), row * values);
    }
    return naming(first, async () => {
      try {
        return await extractor.featuresOf({ rows: images.length, height, width: imageWidth, tensor });
      } catch (cause) {
        // Where images decide the size of the input, a size that the model fails at is the image's fault.
        const isFixed =
          preprocessing.crop !== null || (preprocessing.resize && 'width' in preprocessing.resize);
        if (isFixed || !(cause instanceof HimplosError) || cause.code !== 'bad-model') throw cause;
        throw new HimplosError('bad-input', `the model does not take it: ${cause.message}`, { cause });
      }
    });
  }

  return {
    async featuresOf(images, budgetMs) {
      const deadlineMs = performance.now() + budgetMs;
      const features = new Float32Array(images.length * width);
      for (let first = 0; first < images.length; first += runImages) {
        const prepared = await prepare(images.slice(first, first + runImages), first, deadlineMs);
        features.set(await run(prepared, first), first * width);
      }
      return features;
    },
  };
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

function allocate(values: number): Float32Array<ArrayBuffer> {
  return new Float32Array(values);
}

function join(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
