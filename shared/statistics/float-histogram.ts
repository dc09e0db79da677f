import { KERNEL_START, openSumsKernel, type SumsKernel } from '../maths/sums-kernel.ts';

/**
 * A histogram of float32 values by the leading 22 bits of their ordered bit patterns: sign, 8 bits of exponent,
 * 13 of mantissa. A bucket spans a factor of at most 1 + 2^−13, so its middle is within 6.2e-5 (relative) of every
 * value in it. Counts are whole numbers: adding histograms is exact and does not depend on order.
 */
export class FloatHistogram {
  /** Dense, by the leading bits as they are: 2^22 counts of 32 bits, 16 MiB, in the kernel's memory where there is one. */
  readonly #counts: Uint32Array;
  readonly #stage: Stage | undefined;
  /** What was counted before the counts above could overflow: 1.3 million × 2048 rows of zeros nearly do. */
  #carried: Float64Array | undefined;
  #sinceCarry = 0;
  #total = 0;

  /** @param kernel counts; null for plain TypeScript, which gives the same */
  constructor(kernel: SumsKernel | null = openSumsKernel(STAGE_START + 4 * STAGE_VALUES) ?? null) {
    if (kernel === null) this.#counts = new Uint32Array(BUCKETS);
    else {
      const { buffer } = kernel.memory;
      this.#counts = new Uint32Array(buffer, KERNEL_START, BUCKETS);
      this.#stage = { kernel, values: new Float32Array(buffer, STAGE_START, STAGE_VALUES) };
    }
  }

  /** How many values were added. */
  get total(): number {
    return this.#total;
  }

  /** Adds the first `count` values, fewer than 2^32 and all finite. */
  add(values: Float32Array, count: number): void {
    if (this.#sinceCarry + count >= 2 ** 32) this.#carry();
    let from = 0;
    if (this.#stage !== undefined) {
      const { kernel, values: staged } = this.#stage;
      for (; from + STAGE_VALUES <= count; from += STAGE_VALUES) {
        staged.set(values.subarray(from, from + STAGE_VALUES));
        kernel.countLeading(STAGE_START, STAGE_START + 4 * STAGE_VALUES, KERNEL_START);
      }
    }
    const bits = new Uint32Array(values.buffer, values.byteOffset, count);
    const counts = this.#counts;
    for (let i = from; i < count; i++) counts[bits[i]! >>> (32 - BUCKET_BITS)]!++;
    this.#sinceCarry += count;
    this.#total += count;
  }

  /** Adds counts of values to buckets, as {@link entries} listed them. */
  addCounts(buckets: Int32Array, counts: Float64Array): void {
    this.#carried ??= new Float64Array(BUCKETS);
    const all = this.#carried;
    let total = 0;
    for (let i = 0; i < buckets.length; i++) {
      const count = counts[i]!;
      all[leadingOf(buckets[i]!)]! += count;
      total += count;
    }
    this.#total += total;
  }

  /** Buckets that are not empty, ascending, and their counts. */
  entries(): { readonly buckets: Int32Array; readonly counts: Float64Array } {
    // Until something is carried, which needs another 32 MiB, the counts are all there is.
    if (this.#carried !== undefined && this.#sinceCarry > 0) this.#carry();
    const all = this.#carried ?? this.#counts;
    // Four million counts, most of them 0: eight are looked at together, and once (two loops over each took 20 ms, not 10).
    const octets: number[] = [];
    let filled = 0;
    for (let at = 0; at < all.length; at += 8) {
      const low = all[at]! + all[at + 1]! + all[at + 2]! + all[at + 3]!;
      const high = all[at + 4]! + all[at + 5]! + all[at + 6]! + all[at + 7]!;
      if (low + high === 0) continue;
      octets.push(at);
      for (let i = 0; i < 8; i++) if (all[at + i] !== 0) filled++;
    }
    const buckets = new Int32Array(filled);
    const counts = new Float64Array(filled);
    let taken = 0;
    const take = (leading: number) => {
      if (all[leading] === 0) return;
      buckets[taken] = bucketOf(leading);
      counts[taken++] = all[leading]!;
    };
    // Negative values first, the largest of them last.
    for (const at of octets.filter((first) => first >= FIRST_NEGATIVE).reverse()) {
      for (let i = 7; i >= 0; i--) take(at + i);
    }
    for (const at of octets.filter((first) => first < FIRST_NEGATIVE))
      for (let i = 0; i < 8; i++) take(at + i);
    return { buckets, counts };
  }

  #carry(): void {
    this.#carried ??= new Float64Array(BUCKETS);
    for (let i = 0; i < this.#counts.length; i++) this.#carried[i]! += this.#counts[i]!;
    this.#counts.fill(0);
    this.#sinceCarry = 0;
  }
}

interface Stage {
  readonly kernel: SumsKernel;
  readonly values: Float32Array;
}

const BUCKET_BITS = 22;
/** Buckets are numbered 0 … 2^22 − 1. */
export const BUCKETS = 2 ** BUCKET_BITS;

/** Values that the kernel counts in one go: 32 KiB stay near the core. */
const STAGE_VALUES = 2 ** 13;
const STAGE_START = KERNEL_START + 4 * BUCKETS;

/**
 * The middle of a bucket. Values too small for a full mantissa (below 1.2e-38) all count as 0, which is what
 * rectified activations mostly are.
 */
export function bucketMiddle(bucket: number): number {
  const half = 1 << (31 - BUCKET_BITS);
  const ordered = ((bucket << (32 - BUCKET_BITS)) | half) ^ SIGN;
  const bits = ordered < 0 ? ordered ^ ~SIGN : ordered;
  if ((bits & EXPONENT) === 0) return 0;
  scratchBits[0] = bits;
  return scratchFloat[0]!;
}

/** The sign bit among the leading bits. */
const FIRST_NEGATIVE = 2 ** (BUCKET_BITS - 1);
const SIGN = 0x80000000 | 0;
const EXPONENT = 0x7f800000;
const scratchFloat = new Float32Array(1);
const scratchBits = new Int32Array(scratchFloat.buffer);

/** The leading bits of the values in a bucket: negative numbers have all bits flipped in the order, others the sign. */
function leadingOf(bucket: number): number {
  return bucket < FIRST_NEGATIVE ? BUCKETS - 1 - bucket : bucket - FIRST_NEGATIVE;
}

/** The other way round. */
function bucketOf(leading: number): number {
  return leading < FIRST_NEGATIVE ? FIRST_NEGATIVE + leading : BUCKETS - 1 - leading;
}
