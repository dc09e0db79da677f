/** A detector's file in memory that a kernel can take over, to use W where it lies. */
interface KernelMemory {
  readonly memory: WebAssembly.Memory;
  /** The first address behind the file. */
  readonly end: number;
}

/** Not yet taken over. */
const free = new WeakMap<ArrayBufferLike, KernelMemory>();

const PAGE_BYTES = 65_536;
/** Left to the kernel's own constants. */
const START = PAGE_BYTES;
/** Larger ones get plain memory: past 26 MB V8, which counts all of it, collects garbage at once, and longer with more. */
const MAX_BYTES = 128 * 2 ** 20;
/** What the kernel needs besides W in its three forms: 1.3 MB at 2048 × 1000. A head that needs more is copied. */
const SCRATCH_BYTES = 4 * 2 ** 20;

/**
 * Memory for a file of so many bytes, of zeros, from which `openKernel` can use the head's weights without a copy: at
 * 2048 × 1000 that saves 8 MB and 13 ms of a cold start. What is behind the file costs nothing before it is used.
 */
export function allocateForKernel(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes > MAX_BYTES || typeof WebAssembly === 'undefined') return new Uint8Array(bytes);
  try {
    // W by channel and as bytes: a memory that grows would take its views from those who have them.
    const pages = Math.ceil((START + 2.25 * bytes + SCRATCH_BYTES) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    free.set(memory.buffer, { memory, end: START + bytes });
    return new Uint8Array(memory.buffer, START, bytes);
  } catch {
    return new Uint8Array(bytes);
  }
}

/** The memory in which these numbers lie, if no kernel has taken it over: from now on it is the caller's. */
export function takeKernelMemory({ buffer }: Float32Array): KernelMemory | undefined {
  const found = free.get(buffer);
  free.delete(buffer);
  return found;
}
