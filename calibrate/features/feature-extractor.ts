import { HimplosError } from '../../shared/errors.ts';
import type { ImageBatch } from '../images/image-batches.ts';
import { keepOutputs } from '../onnx/keep-outputs.ts';
import { type ModelSession, openSession, type SessionOptions } from '../session.ts';

type Images = Pick<ImageBatch, 'rows' | 'height' | 'width' | 'tensor'>;

/** An image model whose output `features` [N, L] is wanted. */
export interface FeatureExtractor extends AsyncDisposable {
  /** The serialised model up to its features, and what `openExtractor` was told of it: for sessions on other threads. */
  readonly graph: Uint8Array;
  readonly described: DescribedModel;
  /** Names everything but the images that the features depend on. */
  readonly identity: string;
  readonly device: ModelSession['device'];
  /** L. */
  readonly width: number;
  /** Images to run together: what the graph demands, what was asked for, or what suits the device. */
  readonly batch: number;
  /** Penultimate features of a batch of images, rows × L. Throws `bad-model` or `bad-input`. */
  featuresOf(images: Images): Promise<Float32Array<ArrayBuffer>>;
}

/** What a model is to those who open it. */
export interface DescribedModel {
  /** For messages. */
  readonly name: string;
  /** Of everything but the device that its features depend on. */
  readonly digest: string;
  /** L. */
  readonly width: number;
}

export interface ExtractorOptions extends SessionOptions {
  /** Images to run together, where the graph leaves that open. */
  readonly batch?: number | undefined;
}

/**
 * Images a run where nobody says: on a CPU what a few images make of themselves between layers stays in its caches
 * (MobileNetV2, 224 × 224, two threads: batches of 1, 2, 4, 8 take 1.07, 1, 1.10, 1.17 of the time), while a GPU is idle
 * without many.
 */
const BATCH = { cpu: 2, cuda: 64, webgpu: 64 } as const;

/**
 * Loads a model with an output `features`, without what only its other outputs need.
 * @param model is overwritten in part when there is such a thing (`keepOutputs`)
 * Throws `unsupported` when its input is no image, `bad-model`, or `unavailable` for a device that does not work.
 */
export async function openExtractor(
  model: Uint8Array,
  described: DescribedModel,
  options: ExtractorOptions,
): Promise<FeatureExtractor> {
  const { name, digest, width } = described;
  const graph = featuresAlone(model, name);
  const session = await openSession(graph, name, options);
  const shape = imageShape(name, session);
  const [fixedBatch] = shape;
  return {
    graph,
    described,
    identity: `${digest} ${session.device}`,
    device: session.device,
    width,
    batch: fixedBatch ?? options.batch ?? BATCH[session.device],
    featuresOf: async ({ rows, height, width: imageWidth, tensor }) => {
      requireSize(name, shape, height, imageWidth);
      const count = fixedBatch ?? rows;
      const dims = [count, 3, height, imageWidth];
      const input = padRows(tensor, rows, count);
      const { features } = await session.run(session.input.name, input, dims, ['features']);
      requireOneRowEach(name, features.length, count, width);
      return (features as Float32Array<ArrayBuffer>).subarray(0, rows * width);
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}

function featuresAlone(model: Uint8Array, name: string): Uint8Array {
  try {
    return keepOutputs(model, ['features']);
  } catch (cause) {
    if (!(cause instanceof HimplosError)) throw cause;
    const hint = 'check it with onnx.checker, or export it again';
    throw new HimplosError(cause.code, `${name}: ${cause.message}`, { hint, cause });
  }
}

type Size = number | null;

/** [N, 3, height, width], null for what may vary. */
function imageShape(name: string, { input }: ModelSession): readonly [Size, Size, Size, Size] {
  const { shape, type } = input;
  const isImage = shape.length === 4 && (shape[1] === 3 || shape[1] === null);
  if (isImage && type === 'float32') return shape as [Size, Size, Size, Size];
  throw new HimplosError(
    'unsupported',
    `${name}: expected an image input of float32 [N, 3, height, width], got ${type} [${shape.map((size) => size ?? '?')}]`,
    {
      hint: 'export the model with channels first and normalised float32 input, or calibrate from features (--head)',
    },
  );
}

function requireSize(
  name: string,
  [, , modelHeight, modelWidth]: readonly Size[],
  height: number,
  width: number,
) {
  if ((modelHeight ?? height) === height && (modelWidth ?? width) === width) return;
  throw new HimplosError(
    'bad-input',
    `${name}: expected images of ${modelWidth} × ${modelHeight}, the preprocessing gives ${width} × ${height}`,
    { hint: `give --resize and --crop so that images become ${modelWidth} × ${modelHeight}` },
  );
}

/** A model that gives several rows an image, one a token for example, would have its rows taken for other images. */
function requireOneRowEach(name: string, got: number, images: number, width: number): void {
  if (got === images * width) return;
  throw new HimplosError(
    'bad-model',
    `${name}: expected ${width} features an image, got ${got} numbers for ${images} images`,
    { hint: 'name the tensor that holds one row of features an image: --head-input' },
  );
}

/** A model that insists on a batch size gets zeros behind the last images; their features are dropped. */
function padRows(tensor: Float32Array<ArrayBuffer>, rows: number, batch: number): Float32Array<ArrayBuffer> {
  if (rows === batch) return tensor;
  const padded = new Float32Array((tensor.length / rows) * batch);
  padded.set(tensor);
  return padded;
}
