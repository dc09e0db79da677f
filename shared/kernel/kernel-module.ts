import { decodeBase64 } from '../formats/base64.ts';
import type { Head } from '../methods/contract.ts';
import { RELAXED_SIMD_KERNEL, SIMD_KERNEL } from './kernel-bytes.ts';
import { takeKernelMemory } from './kernel-memory.ts';

/** The kernel compiled for this runtime. */
export interface KernelModule {
  /** `relaxed-simd` multiplies and adds in one step, `simd` in two. */
  readonly kind: 'relaxed-simd' | 'simd';
  readonly module: WebAssembly.Module;
}

/** A kernel with a head in its memory; every view is on that memory. One instance serves one caller at a time. */
export interface KernelInstance {
  readonly exports: KernelExports;
  /** Samples it takes at once. */
  readonly maxRows: number;
  /** maxRows × stride; the floats between L and `stride` stay 0. */
  readonly features: Float32Array;
  readonly stride: number;
  /** maxRows × logitStride, original logits; of no use after `certifyArgmax`. */
  readonly logits: Float32Array;
  readonly logitStride: number;
  /** maxRows. */
  readonly predicted: Int32Array;
  /** maxRows × maskStride, bits as in the artifact. */
  readonly masks: Uint8Array;
  readonly maskStride: number;
  /** L floats. */
  readonly prototype: Float32Array;
}

/** What assembly/index.ts exports (addresses as numbers). */
interface KernelExports {
  allocate(
    classes: number,
    width: number,
    rows: number,
    hasChannels: number,
    hasBytes: number,
    given: number,
    from: number,
  ): number;
  prepareHead(): number;
  deriveCopies(): void;
  computeLogits(rows: number): void;
  certifyArgmax(rows: number): void;
  certifyLogits(rows: number): void;
  sparseLogits(rows: number): void;
  shapeLogits(rows: number, clip: number, hasLogits: number): void;
  cosine(row: number): number;
  scaleShaped(row: number, scale: number): void;
  sumExponentials(row: number): number;
  logitStride(): number;
  readonly featureSquare: WebAssembly.Global<'f64'>;
  readonly prototypeSquare: WebAssembly.Global<'f64'>;
  readonly largestShaped: WebAssembly.Global<'f64'>;
  readonly stride: WebAssembly.Global<'i32'>;
  readonly weightStride: WebAssembly.Global<'i32'>;
  readonly maskStride: WebAssembly.Global<'i32'>;
  readonly features: WebAssembly.Global<'i32'>;
  readonly bias: WebAssembly.Global<'i32'>;
  readonly weight: WebAssembly.Global<'i32'>;
  readonly logits: WebAssembly.Global<'i32'>;
  readonly predicted: WebAssembly.Global<'i32'>;
  readonly masks: WebAssembly.Global<'i32'>;
  readonly prototype: WebAssembly.Global<'i32'>;
}

/** Rows of one block of a batch: logits, features and shaped logits of a block stay in a core's caches. */
const MAX_ROWS = 64;
/** Sums of squared bytes stay within 32 bits up to here. */
const MAX_WIDTH = 65_536;
/** Beyond this, W in its three forms could come near the 4 GiB a module can address. */
const MAX_WEIGHTS = 2 ** 28;

/**
 * The best kernel that this runtime compiles: with relaxed SIMD, else with SIMD; undefined where there is no
 * WebAssembly SIMD at all. `kinds` narrows the choice (tests run every kind).
 */
export async function compileKernel(
  kinds: readonly KernelModule['kind'][] = ['relaxed-simd', 'simd'],
): Promise<KernelModule | undefined> {
  if (typeof WebAssembly === 'undefined') return undefined;
  for (const kind of kinds) {
    const bytes = decodeBase64(kind === 'simd' ? SIMD_KERNEL : RELAXED_SIMD_KERNEL);
    try {
      return { kind, module: await WebAssembly.compile(bytes) };
    } catch (cause) {
      if (!(cause instanceof WebAssembly.CompileError)) throw cause; // this one means instructions it does not know
    }
  }
  return undefined;
}

/**
 * Puts a head into the memory of a new instance, or an instance to where the head is (`allocateForKernel`).
 * `hasChannels` and `hasBytes` as in assembly/memory.ts; making those copies is left to the caller
 * (`exports.deriveCopies`, until which `certifyArgmax` cannot be used). Returns undefined for a head that is too large
 * for the kernel or has numbers too large for float32 sums, or when the runtime refuses the memory.
 */
export function openKernel(
  { module }: KernelModule,
  head: Head,
  { hasChannels, hasBytes }: { readonly hasChannels: boolean; readonly hasBytes: boolean },
): KernelInstance | undefined {
  const { classes, width, weight, bias } = head;
  if (width > MAX_WIDTH || weight.length > MAX_WEIGHTS) return undefined;
  // Fewer rows for wide heads: a block of more than a few megabytes would leave the caches anyway.
  const maxRows = Math.max(1, Math.min(MAX_ROWS, Math.floor(2 ** 21 / (width + classes))));
  const sizes = [classes, width, maxRows, Number(hasChannels), Number(hasBytes)] as const;
  const opened = openInPlace(module, weight, sizes) ?? openWithCopy(module, weight, sizes);
  if (opened === undefined) return undefined;
  const { exports, memory } = opened;
  const floats = (at: WebAssembly.Global<'i32'>, count: number) =>
    new Float32Array(memory.buffer, at.value, count);
  const stride = exports.stride.value;
  floats(exports.bias, classes).set(bias);
  if (exports.prepareHead() === 0) return undefined;
  const logitStride = exports.logitStride();
  const maskStride = exports.maskStride.value;
  return {
    exports,
    maxRows,
    features: floats(exports.features, maxRows * stride),
    stride,
    logits: floats(exports.logits, maxRows * logitStride),
    logitStride,
    predicted: new Int32Array(memory.buffer, exports.predicted.value, maxRows),
    masks: new Uint8Array(memory.buffer, exports.masks.value, maxRows * maskStride),
    maskStride,
    prototype: floats(exports.prototype, width),
  };
}

type Sizes = readonly [classes: number, width: number, rows: number, hasChannels: number, hasBytes: number];

interface OpenedKernel {
  readonly exports: KernelExports;
  readonly memory: WebAssembly.Memory;
}

/** In the memory of the weights. Undefined where they lie in plain memory, or not as the kernel can read them. */
function openInPlace(
  module: WebAssembly.Module,
  weight: Float32Array,
  sizes: Sizes,
): OpenedKernel | undefined {
  // The kernel reads four at a time.
  const taken = sizes[1] % 4 === 0 ? takeKernelMemory(weight) : undefined;
  if (taken === undefined) return undefined;
  const exports = instantiate(module, taken.memory);
  return exports.allocate(...sizes, weight.byteOffset, taken.end) === 0
    ? undefined
    : { exports, memory: taken.memory };
}

function openWithCopy(
  module: WebAssembly.Module,
  weight: Float32Array,
  sizes: Sizes,
): OpenedKernel | undefined {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const exports = instantiate(module, memory);
  if (exports.allocate(...sizes, 0, 0) === 0) return undefined;
  const [classes, width] = sizes;
  const stride = exports.weightStride.value;
  const target = new Float32Array(memory.buffer, exports.weight.value, classes * stride);
  if (stride === width) target.set(weight);
  else for (let c = 0; c < classes; c++) target.set(weight.subarray(c * width, (c + 1) * width), c * stride);
  return { exports, memory };
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
}

/** Copies `rows` samples, from sample `from` on, into the kernel's memory. */
export function loadFeatures(
  kernel: KernelInstance,
  features: Float32Array,
  from: number,
  rows: number,
  width: number,
): void {
  const { features: target, stride } = kernel;
  if (stride === width && from === 0 && features.length === rows * width) {
    target.set(features);
    return;
  }
  for (let row = 0; row < rows; row++) {
    const at = (from + row) * width;
    target.set(features.subarray(at, at + width), row * stride);
  }
}
