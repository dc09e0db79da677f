import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { HimplosError } from '../shared/errors.ts';

// From 1.29 on, onnxruntime's Linux and macOS builds tell Microsoft about every model they load (file name, hashes of
// graph and weights), and leave a file in TMPDIR doing so. Users' models are nobody's business. Read when the first
// session is made.
process.env.ORT_DISABLE_TELEMETRY ??= '1';

/** What a user may ask for; `auto` takes a GPU where one works and the CPU otherwise. */
export const DEVICES = ['auto', 'cpu', 'cuda', 'webgpu'] as const;
export type Device = (typeof DEVICES)[number];

/** A model ready to run. */
export interface ModelSession {
  /** Where it runs. */
  readonly device: Exclude<Device, 'auto'>;
  /** The model's first input. Sizes are null where they may vary. */
  readonly input: {
    readonly name: string;
    readonly type: string;
    readonly shape: readonly (number | null)[];
  };
  /** Names of all outputs. */
  readonly outputs: readonly string[];
  /**
   * Runs the model on one input.
   * @param dims shape of `data`
   * @param outputs names of the outputs wanted
   * @returns the outputs' data by name; booleans come as bytes
   * Throws `bad-model` when the model refuses the input or fails.
   */
  run<Name extends string>(
    input: string,
    data: Float32Array<ArrayBuffer>,
    dims: readonly number[],
    outputs: readonly Name[],
  ): Promise<Record<Name, OutputData>>;
  close(): Promise<void>;
}

export type OutputData = Float32Array | Float64Array | BigInt64Array | Uint8Array;

export interface SessionOptions {
  readonly device: Device;
  /** Threads of the CPU provider; all cores when absent. */
  readonly threads?: number | undefined;
}

/** A graph of one Identity. */
const SMALLEST_MODEL = 'CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCAhAN';

/**
 * Makes onnxruntime ready, which the first session of a process does otherwise: 25 to 30 ms, for whoever waits for a
 * model's bytes anyway. Throws what onnxruntime throws; it shows again where a session is made.
 */
export async function startRuntime(): Promise<void> {
  const session = await InferenceSession.create(Buffer.from(SMALLEST_MODEL, 'base64'), {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
    executionProviders: ['cpu'],
  });
  await session.release();
}

/**
 * Loads a model into onnxruntime.
 * @param model a serialised ONNX model
 * @param name what to call it in messages
 * Throws `bad-model` when onnxruntime refuses it, `unavailable` when the device asked for does not work here.
 */
export async function openSession(
  model: Uint8Array,
  name: string,
  { device, threads = availableParallelism() }: SessionOptions,
): Promise<ModelSession> {
  // Threads that spin while they wait for work take the cores from others: 10 % of the model's processor time on two
  // busy cores; on idle ones it made no difference.
  const common = {
    intraOpNumThreads: threads,
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  } as const;
  const create = (provider: ModelSession['device']) =>
    InferenceSession.create(model, { ...common, executionProviders: [provider] });
  for (const gpu of gpusToTry(device)) {
    try {
      return wrap(await create(gpu), gpu, name);
    } catch (cause) {
      if (device !== 'auto') throw deviceError(gpu, cause);
    }
  }
  try {
    return wrap(await create('cpu'), 'cpu', name);
  } catch (cause) {
    throw new HimplosError('bad-model', `${name}: onnxruntime cannot load it: ${firstLine(cause)}`, {
      hint: 'check it with onnx.checker, or export it again with a lower opset',
      cause,
    });
  }
}

/** GPU providers of this onnxruntime worth trying, fastest first; none where the machine shows no GPU. */
function gpusToTry(device: Device): readonly ('cuda' | 'webgpu')[] {
  if (device === 'cuda' || device === 'webgpu') return [device];
  if (device === 'cpu' || !hasGpu()) return [];
  const supported = new Set<string>(listSupportedBackends().map((backend) => backend.name));
  return (['cuda', 'webgpu'] as const).filter((provider) => supported.has(provider));
}

/** Without this check a machine without a GPU would see the drivers' own complaints on every run. */
function hasGpu(): boolean {
  if (process.platform !== 'linux') return true;
  if (existsSync('/dev/dxg')) return true;
  if (existsSync('/dev/nvidia0')) return true;
  return existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD'));
}

function wrap(session: InferenceSession, device: ModelSession['device'], name: string): ModelSession {
  const [input] = session.inputMetadata;
  return {
    device,
    input: input?.isTensor
      ? { name: input.name, type: input.type, shape: input.shape.map(fixedSize) }
      : { name: input?.name ?? '', type: 'no tensor', shape: [] },
    outputs: session.outputNames,
    run: async (input, data, dims, outputs) => {
      try {
        const results = await session.run({ [input]: new Tensor('float32', data, dims) }, [...outputs]);
        return Object.fromEntries(outputs.map((output) => [output, results[output]!.data])) as never;
      } catch (cause) {
        throw new HimplosError('bad-model', `${name}: onnxruntime failed: ${firstLine(cause)}`, {
          hint: `the input was float32 [${dims}]; himplos inspect shows what the model expects`,
          cause,
        });
      }
    },
    close: () => session.release(),
  };
}

/** Symbolic sizes are strings; some exporters write −1 or 0 for a size that may vary. */
function fixedSize(size: number | string): number | null {
  return typeof size === 'number' && size > 0 ? size : null;
}

function deviceError(device: 'cuda' | 'webgpu', cause: unknown): HimplosError {
  const hints = {
    cuda: 'install CUDA 12 and cuDNN 9, and onnxruntime-node with its CUDA libraries (ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false), or use --device auto',
    webgpu: 'install a Vulkan driver (Linux: libvulkan1 and the driver of the card), or use --device auto',
  };
  const missing = /lib[\w.+-]+\.so[\w.]*/.exec(String(cause))?.[0];
  const reason = missing === undefined ? firstLine(cause) : `${missing} is missing or cannot be loaded`;
  return new HimplosError('unavailable', `--device ${device} does not work here: ${reason}`, {
    hint: hints[device],
    cause,
  });
}

function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.split('\n')[0]!.slice(0, 300);
}
