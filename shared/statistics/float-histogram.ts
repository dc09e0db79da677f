/**
 * A histogram of float32 values by the leading 22 bits of their ordered bit patterns: sign, 8 bits of exponent,
 * 13 of mantissa. A bucket spans a factor of at most 1 + 2^−13, so its middle is within 6.2e-5 (relative) of every
 * value in it. Counts are whole numbers: adding histograms is exact and does not depend on order.
 */
export class FloatHistogram {
  /** Dense: 2^22 counts, 32 MiB; doubles because 1.3 million × 2048 rows of zeros overflow 32 bits easily. */
  readonly #counts = new Float64Array(2 ** BUCKET_BITS);
  #total = 0;

  /** How many values were added. */
  get total(): number {
    return this.#total;
  }

  /** Adds the first `count` values, all finite. */
  add(values: Float32Array, count: number): void {
    const bits = new Int32Array(values.buffer, values.byteOffset, count);
    const counts = this.#counts;
    for (let i = 0; i < count; i++) counts[bucketOf(bits[i]!)]! += 1;
    this.#total += count;
  }

  /** Adds `count` values to a bucket, as {@link entries} listed it. */
  addCount(bucket: number, count: number): void {
    this.#counts[bucket]! += count;
    this.#total += count;
  }

  /** Buckets that are not empty, ascending, and their counts. */
  entries(): { readonly buckets: Int32Array; readonly counts: Float64Array } {
    const filled = this.#counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
    const buckets = new Int32Array(filled);
    const counts = new Float64Array(filled);
    for (let bucket = 0, at = 0; at < filled; bucket++) {
      if (this.#counts[bucket] === 0) continue;
      buckets[at] = bucket;
      counts[at++] = this.#counts[bucket]!;
    }
    return { buckets, counts };
  }
}

/** Buckets are numbered 0 … 2^22 − 1. */
export const BUCKET_BITS = 22;

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

const SIGN = 0x80000000 | 0;
const EXPONENT = 0x7f800000;
const scratchFloat = new Float32Array(1);
const scratchBits = new Int32Array(scratchFloat.buffer);

/** Bits of a float32 as an unsigned integer of the same order (negative numbers have all bits flipped), shortened. */
function bucketOf(bits: number): number {
  return (bits ^ ((bits >> 31) | SIGN)) >>> (32 - BUCKET_BITS);
}
