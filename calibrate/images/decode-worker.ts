import { parentPort, workerData } from 'node:worker_threads';
import { type ErrorCode, HimplosError } from '../../shared/errors.ts';
import { Preprocessor } from '../../shared/images/preprocess.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { type PreparedImage, type PrepareLimits, prepareImage } from './prepare-image.ts';

/** What a decoding thread is started with. */
export interface WorkerSetup {
  readonly preprocessing: Preprocessing;
  readonly limits: PrepareLimits;
}

/** Some encoded images to prepare. */
export interface DecodeJob {
  /** The images, one after the other. */
  readonly bytes: Uint8Array;
  /** Where each begins in `bytes`, and where the last ends. */
  readonly bounds: readonly number[];
  /** Tensors of earlier results that nobody needs any more. */
  readonly spare: readonly Float32Array<ArrayBuffer>[];
}

/** An error as it crosses threads: structured cloning keeps no classes. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A job's images in its order, or the bug that kept it from being done. */
export type DecodeResult =
  | { readonly kind: 'done'; readonly images: readonly (PreparedImage | PlainError)[] }
  | { readonly kind: 'bug'; readonly cause: unknown };

// While one image is decoded by the decoder's own thread, this thread resizes another.
const LANES = 2;

const port = parentPort!;
const { preprocessing, limits } = workerData as WorkerSetup;
const preprocessor = new Preprocessor(preprocessing);
const spare: Float32Array<ArrayBuffer>[] = [];

let jobs = Promise.resolve();
port.on('message', (job: DecodeJob) => {
  spare.push(...job.spare);
  jobs = jobs.then(() => run(job));
});

async function run({ bytes, bounds }: DecodeJob): Promise<void> {
  const images: (PreparedImage | PlainError)[] = [];
  let next = 0;
  const lane = async () => {
    while (next < bounds.length - 1) {
      const index = next++;
      images[index] = await prepare(bytes.subarray(bounds[index], bounds[index + 1]));
    }
  };
  try {
    await Promise.all(Array.from({ length: LANES }, lane));
    const tensors = images.flatMap((image) => ('tensor' in image ? [image.tensor.buffer] : []));
    port.postMessage({ kind: 'done', images } satisfies DecodeResult, tensors);
  } catch (cause) {
    port.postMessage({ kind: 'bug', cause } satisfies DecodeResult);
  }
}

async function prepare(bytes: Uint8Array): Promise<PreparedImage | PlainError> {
  try {
    return await prepareImage(bytes, preprocessor, limits, takeBuffer);
  } catch (cause) {
    if (!(cause instanceof HimplosError)) throw cause;
    const { code, message, hint } = cause;
    return { code, message, hint };
  }
}

function takeBuffer(values: number): Float32Array<ArrayBuffer> {
  const buffer = spare.pop();
  return buffer !== undefined && buffer.length >= values ? buffer : new Float32Array(values);
}
