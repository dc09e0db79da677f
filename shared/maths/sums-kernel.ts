import { decodeBase64 } from '../formats/base64.ts';
import { SUMS_KERNEL } from './sums-kernel-bytes.ts';

/** What assembly/sums.ts exports (addresses as numbers), with a memory of its own. */
export interface SumsKernel {
  /** Does not grow any more: views on it stay valid. */
  readonly memory: WebAssembly.Memory;
  areFinite(at: number, end: number): number;
  addRows(from: number, rows: number, width: number, to: number): void;
  startRows(from: number, rows: number, width: number, to: number): void;
  countLeading(at: number, end: number, counts: number): void;
  addGram(packed: number, panels: number, rows: number, out: number): void;
  multiplyPanels(x: number, panels: number, w: number, wide: number, width: number, out: number): void;
}

/** Where callers may begin to lay out the memory. */
export const KERNEL_START = 64;

const PAGE_BYTES = 2 ** 16;

/** Undefined before it is first wanted, null where the runtime has no WebAssembly SIMD. */
let compiled: WebAssembly.Module | null | undefined;

/**
 * A new instance of the kernel with at least `bytes` of memory, all zeros from KERNEL_START on; pages that are never
 * touched cost nothing. Undefined where the runtime has no WebAssembly SIMD or refuses the memory: callers have a plain
 * twin.
 */
export function openSumsKernel(bytes: number): SumsKernel | undefined {
  compiled ??= compile();
  if (compiled === null) return undefined;
  try {
    const kernel = new WebAssembly.Instance(compiled).exports as unknown as SumsKernel;
    const missing = bytes - kernel.memory.buffer.byteLength;
    if (missing > 0) kernel.memory.grow(Math.ceil(missing / PAGE_BYTES));
    return kernel;
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

function compile(): WebAssembly.Module | null {
  if (typeof WebAssembly === 'undefined') return null;
  const code = decodeBase64(SUMS_KERNEL);
  return WebAssembly.validate(code) ? new WebAssembly.Module(code) : null;
}
