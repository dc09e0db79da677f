import { parentPort } from 'node:worker_threads';
import { type ErrorCode, HimplosError } from '../../shared/errors.ts';
import { Preprocessor } from '../../shared/images/preprocess.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import type { DescribedModel, FeatureExtractor } from '../features/feature-extractor.ts';
import { type PreparedImage, type PrepareLimits, prepareImage } from './prepare-image.ts';

/** What images are to become. */
export interface ImageSetup {
  readonly preprocessing: Preprocessing;
  readonly limits: PrepareLimits;
}

/** A model to run from now on, instead of the one before. */
export interface ModelJob {
  readonly kind: 'open';
  readonly model: Uint8Array;
  readonly described: DescribedModel;
  /** Threads of its session. */
  readonly threads: number;
}

/** A batch of encoded images to prepare. */
export interface ImageJob {
  readonly kind: 'prepare';
  readonly setup: ImageSetup;
  /** The images, one after the other. */
  readonly bytes: Uint8Array;
  /** Where each begins in `bytes`, and where the last ends. */
  readonly bounds: readonly number[];
  /** Whether the model's features are wanted, or the input that it would get. */
  readonly wanted: 'features' | 'input';
}

/** No more jobs: those not done are dropped, and the thread ends once nothing of it runs. */
export interface EndJob {
  readonly kind: 'end';
}

/** An error as it crosses threads: structured cloning keeps no classes. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A job's images in its order, or what kept it from being done. */
export type ImageResult =
  | {
      readonly kind: 'done';
      readonly images: readonly (PreparedImage | PlainError)[];
      /** One row for each good image; nothing where there is none or their sizes differ. */
      readonly values: Float32Array<ArrayBuffer>;
    }
  | { readonly kind: 'failed'; readonly error: PlainError }
  | { readonly kind: 'bug'; readonly cause: unknown };

// While one image is with sharp, on a thread of its own, this thread prepares another.
const LANES = 2;

const port = parentPort!;
let preprocessor: { readonly key: string; readonly use: Preprocessor } | undefined;
let extractor: Promise<FeatureExtractor> | undefined;
/** Input of the batches that are run here: memory for all of them. */
let scratch = new Float32Array(0);

let isEnding = false;
let jobs = Promise.resolve();
port.on('message', (job: ModelJob | ImageJob | EndJob) => {
  if (job.kind === 'end') isEnding = true;
  jobs = jobs.then(() => {
    if (job.kind === 'end') return end();
    if (isEnding) return undefined;
    return job.kind === 'open' ? open(job) : run(job);
  });
});

/** Nothing is left then that keeps the thread. */
async function end(): Promise<void> {
  await closeModel();
  port.close();
}

async function closeModel(): Promise<void> {
  await extractor?.then(
    (old) => old[Symbol.asyncDispose](),
    () => undefined, // there is nothing to close of one that did not open
  );
}

async function open({ model, described, threads }: ModelJob): Promise<void> {
  await closeModel();
  // Threads that only decode need no onnxruntime.
  extractor = import('../features/feature-extractor.ts').then(({ openExtractor }) =>
    openExtractor(model, described, { device: 'cpu', threads }),
  );
  extractor.catch(() => undefined); // the first batch says so
}

async function run(job: ImageJob): Promise<void> {
  const result = await resultOf(job);
  // Who has answered everything counts as idle: not while onnxruntime still loads a model that the batch did not need.
  await extractor?.catch(() => undefined);
  if (result === undefined) return;
  port.postMessage(result, result.kind === 'done' ? [result.values.buffer] : []);
}

/** Undefined where nobody wants one any more. */
async function resultOf(job: ImageJob): Promise<ImageResult | undefined> {
  try {
    const { all, sizes, tensor } = await prepareBatch(job);
    if (isEnding) return undefined;
    return { kind: 'done', images: all, values: await valuesOf(sizes, tensor, job.wanted) };
  } catch (cause) {
    return cause instanceof HimplosError ? { kind: 'failed', error: plain(cause) } : { kind: 'bug', cause };
  }
}

/** What is wanted of the rows of an input, in memory of its own. */
async function valuesOf(
  sizes: readonly PreparedImage[],
  input: Float32Array<ArrayBuffer>,
  wanted: ImageJob['wanted'],
): Promise<Float32Array<ArrayBuffer>> {
  const [first] = sizes;
  if (first === undefined) return new Float32Array(0);
  const { height, width } = first;
  if (sizes.some((size) => size.height !== height || size.width !== width)) return new Float32Array(0);
  const rows = sizes.length;
  const tensor = input.subarray(0, rows * 3 * height * width);
  if (wanted === 'input') return tensor;
  const features = await (await extractor!).featuresOf({ rows, height, width, tensor });
  return features.slice();
}

/** Prepares a batch's images; the input's first rows are those of the good ones. */
async function prepareBatch({ setup, bytes, bounds, wanted }: ImageJob) {
  const count = bounds.length - 1;
  const all: (PreparedImage | PlainError)[] = [];
  const use = preprocessorFor(setup.preprocessing);
  let tensor = new Float32Array(0);
  let each = 0;
  const roomFor = (index: number) => (values: number) => {
    if (each === 0) {
      each = values;
      tensor = wanted === 'input' ? new Float32Array(count * each) : takeScratch(count * each);
    }
    // Another size than the batch's is nobody's row.
    return values === each ? tensor.subarray(index * each, (index + 1) * each) : new Float32Array(values);
  };
  let next = 0;
  const lane = async () => {
    while (next < count && !isEnding) {
      const index = next++;
      const encoded = bytes.subarray(bounds[index], bounds[index + 1]);
      try {
        all[index] = await prepareImage(encoded, use, setup.limits, roomFor(index));
      } catch (cause) {
        if (!(cause instanceof HimplosError)) throw cause;
        all[index] = plain(cause);
      }
    }
  };
  // Both end before the next job begins, which uses the same memory.
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
  for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason;
  const sizes: PreparedImage[] = [];
  for (const [index, image] of all.entries()) {
    if (!('digest' in image)) continue;
    if (sizes.length < index) tensor.copyWithin(sizes.length * each, index * each, (index + 1) * each);
    sizes.push(image);
  }
  return { all, sizes, tensor };
}

/** The one of the last image where it still fits: it keeps tables, plans and scratch memory. */
function preprocessorFor(preprocessing: Preprocessing): Preprocessor {
  const key = JSON.stringify(preprocessing);
  if (preprocessor?.key !== key) preprocessor = { key, use: new Preprocessor(preprocessing) };
  return preprocessor.use;
}

/** More than this is not kept: 64 MiB. */
const MAX_SCRATCH_VALUES = 2 ** 24;

function takeScratch(values: number): Float32Array<ArrayBuffer> {
  if (values > MAX_SCRATCH_VALUES) return new Float32Array(values);
  if (scratch.length < values) scratch = new Float32Array(values);
  return scratch;
}

function plain({ code, message, hint }: HimplosError): PlainError {
  return { code, message, hint };
}
