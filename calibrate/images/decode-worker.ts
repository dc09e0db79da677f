import { parentPort } from 'node:worker_threads';
import { type ErrorCode, HimplosError } from '../../shared/errors.ts';
import { Preprocessor } from '../../shared/images/preprocess.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { type PreparedImage, type PrepareLimits, prepareImage } from './prepare-image.ts';

/** What images are to become. */
export interface WorkerSetup {
  readonly preprocessing: Preprocessing;
  readonly limits: PrepareLimits;
}

/** Some encoded images to prepare. */
export interface DecodeJob {
  readonly setup: WorkerSetup;
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
const spare: Float32Array<ArrayBuffer>[] = [];
let preprocessor: { readonly key: string; readonly use: Preprocessor } | undefined;

let jobs = Promise.resolve();
port.on('message', (job: DecodeJob) => {
  jobs = jobs.then(() => run(job));
});

async function run({ setup, bytes, bounds, spare: returned }: DecodeJob): Promise<void> {
  spare.push(...returned);
  const images: (PreparedImage | PlainError)[] = [];
  let next = 0;
  const lane = async () => {
    while (next < bounds.length - 1) {
      const index = next++;
      images[index] = await prepare(bytes.subarray(bounds[index], bounds[index + 1]), setup);
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

async function prepare(bytes: Uint8Array, setup: WorkerSetup): Promise<PreparedImage | PlainError> {
  try {
    return await prepareImage(bytes, preprocessorFor(setup.preprocessing), setup.limits, takeBuffer);
  } catch (cause) {
    if (!(cause instanceof HimplosError)) throw cause;
    const { code, message, hint } = cause;
    return { code, message, hint };
  }
}

/** The one of the last image where it still fits: it keeps tables, plans and scratch memory. */
function preprocessorFor(preprocessing: Preprocessing): Preprocessor {
  const key = JSON.stringify(preprocessing);
  if (preprocessor?.key !== key) preprocessor = { key, use: new Preprocessor(preprocessing) };
  return preprocessor.use;
}

function takeBuffer(values: number): Float32Array<ArrayBuffer> {
  const buffer = spare.pop();
  return buffer !== undefined && buffer.length >= values ? buffer : new Float32Array(values);
}
