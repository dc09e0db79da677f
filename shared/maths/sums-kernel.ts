import { SUMS_KERNEL } from './sums-kernel-bytes.ts';

/** What assembly/sums.ts exports (addresses as numbers), with a memory of its own. */
export interface SumsKernel {
  /** Does not grow any more: views on it stay valid. */
  readonly memory: WebAssembly.Memory;
  areFinite(at: number, end: number): number;
  addRows(from: number, rows: number, width: number, to: number): void;
  addGram(packed: number, panels: number, rows: number, out: number): void;
}

/** Where callers may begin to lay out the memory. */
export const KERNEL_START = 64;

const PAGE_BYTES = 2 ** 16;

/**
 * A new instance of the kernel with at least `bytes` of memory, all zeros from KERNEL_START on; pages that are never
 * touched cost nothing. Undefined where the runtime has no WebAssembly SIMD or refuses the memory: callers have a plain
 * twin.
 */
export function openSumsKernel(bytes: number): SumsKernel | undefined {
  if (typeof WebAssembly === 'undefined') return undefined;
  const code = Uint8Array.from(atob(SUMS_KERNEL), (character) => character.charCodeAt(0));
  if (!WebAssembly.validate(code)) return undefined;
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code));
    const kernel = exports as unknown as SumsKernel;
    const missing = bytes - kernel.memory.buffer.byteLength;
    if (missing > 0) kernel.memory.grow(Math.ceil(missing / PAGE_BYTES));
    return kernel;
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}
