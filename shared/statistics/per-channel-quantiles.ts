import { HimplosError } from '../errors.ts';
import { interpolateQuantile } from '../maths/quantile.ts';
import type { Tensors } from '../tensor.ts';
import {
  type Batch,
  collect,
  type Reducer,
  type Statistic,
  type StatisticRequest,
  type StatisticResults,
} from './contract.ts';

/** Bits of the ordered bit pattern that each pass settles, from the top. */
const PASS_BITS = [11, 11, 10] as const;

/**
 * Exact quantiles of each channel over all training rows, in three passes: a radix search that settles 11 bits of a
 * value's bit pattern at a time, so memory is 2^11 counts per channel and wanted value (64 MiB at 2048 channels and
 * two quantiles) whatever the number of rows. Counts are whole numbers: order and sharding do not matter.
 *
 * @param fractions in [0, 1]; interpolated by numpy's linear rule
 * @param trainRows rows of the whole source
 * @returns one array of L values for each fraction
 */
export function* perChannelQuantiles(
  fractions: readonly number[],
  trainRows: number,
): Generator<StatisticRequest, Float64Array[], StatisticResults> {
  // Counts are 32 bits wide, which is what keeps the histograms small.
  if (trainRows >= 2 ** 31) {
    throw new HimplosError(
      'too-large',
      `per-channel quantiles: expected fewer than 2^31 rows, got ${trainRows}`,
      { hint: 'use fewer training rows' },
    );
  }
  let targets: Targets | undefined;
  for (let pass = 0; pass < PASS_BITS.length; pass++) {
    const { histogram } = yield* collect({ histogram: channelHistogram(fractions, pass, targets) });
    targets ??= firstTargets(histogram, fractions);
    targets = narrow(targets, histogram);
  }
  return valuesAt(targets!, fractions);
}

/** Values looked for: the two neighbours of each quantile, per channel. */
interface Targets {
  readonly rows: number;
  /** channels × perChannel: the leading bits settled so far. */
  readonly prefixes: Uint32Array;
  /** channels × perChannel: position (from 0, ascending) among the values with that prefix. */
  readonly positions: Float64Array;
  readonly perChannel: number;
}

/** Counts of the next bits after each prefix: channels × slots × 2^bits. */
interface ChannelHistogram {
  readonly channels: number;
  readonly slots: number;
  readonly buckets: number;
  readonly counts: Int32Array;
}

function channelHistogram(
  fractions: readonly number[],
  pass: number,
  targets: Targets | undefined,
): Statistic<ChannelHistogram> {
  return {
    key: `channel-histogram:${pass + 1}:${fractions.join(',')}`,
    over: 'train',
    create: ({ head }) => new ChannelHistogramReducer(head.width, pass, targets),
  };
}

class ChannelHistogramReducer implements Reducer<ChannelHistogram> {
  readonly #channels: number;
  readonly #slots: number;
  readonly #buckets: number;
  readonly #counts: Int32Array;
  readonly #targets: Targets | undefined;
  /** Shift that leaves the settled bits, and the one that leaves those and the bits of this pass. */
  readonly #prefixShift: number;
  readonly #bucketShift: number;

  constructor(channels: number, pass: number, targets: Targets | undefined) {
    const settled = PASS_BITS.slice(0, pass).reduce<number>((sum, bits) => sum + bits, 0);
    this.#channels = channels;
    this.#slots = targets?.perChannel ?? 1;
    this.#buckets = 2 ** PASS_BITS[pass]!;
    this.#counts = new Int32Array(channels * this.#slots * this.#buckets);
    this.#targets = targets;
    this.#prefixShift = 32 - settled;
    this.#bucketShift = 32 - settled - PASS_BITS[pass]!;
  }

  add({ features, rows }: Batch): void {
    const channels = this.#channels;
    const slots = this.#slots;
    const mask = this.#buckets - 1;
    const prefixes = this.#targets?.prefixes;
    const bits = new Int32Array(features.buffer, features.byteOffset, rows * channels);
    for (let i = 0, slot = 0; i < bits.length; i++) {
      const key = orderedBits(bits[i]!);
      const bucket = (key >>> this.#bucketShift) & mask;
      const prefix = key >>> this.#prefixShift;
      for (const end = slot + slots; slot < end; slot++) {
        if (prefixes === undefined || prefixes[slot] === prefix)
          this.#counts[slot * this.#buckets + bucket]! += 1;
      }
      if (slot === channels * slots) slot = 0;
    }
  }

  endBlock(): void {}

  merge({ counts }: Tensors): void {
    if (counts?.dtype !== 'I32' || counts.data.length !== this.#counts.length) {
      throw new HimplosError(
        'bad-input',
        `per-channel quantiles: expected ${this.#counts.length} counts, got another state`,
        { hint: 'merge partial results of one calibration only' },
      );
    }
    const { data } = counts;
    for (let i = 0; i < data.length; i++) this.#counts[i]! += data[i]!;
  }

  save(): Tensors {
    const shape = [this.#channels, this.#slots, this.#buckets];
    return { counts: { dtype: 'I32', data: this.#counts.slice(), shape } };
  }

  result(): ChannelHistogram {
    return {
      channels: this.#channels,
      slots: this.#slots,
      buckets: this.#buckets,
      counts: this.#counts,
    };
  }
}

/** Where to look at first: no bits are settled, and a channel's counts add up to the rows. */
function firstTargets(
  { channels, buckets, counts }: ChannelHistogram,
  fractions: readonly number[],
): Targets {
  const rows = counts.subarray(0, buckets).reduce((sum, count) => sum + count, 0);
  const perChannel = 2 * fractions.length;
  const positions = new Float64Array(channels * perChannel);
  for (let i = 0; i < positions.length; i++) {
    const slot = i % perChannel;
    const below = Math.floor(fractions[slot >> 1]! * (rows - 1));
    positions[i] = Math.min(rows - 1, below + (slot & 1));
  }
  return { rows, prefixes: new Uint32Array(positions.length), positions, perChannel };
}

/** Settles the next bits of every target: the bucket its position falls into. */
function narrow(targets: Targets, { slots, buckets, counts }: ChannelHistogram): Targets {
  const { rows, perChannel } = targets;
  const prefixes = targets.prefixes.slice();
  const positions = targets.positions.slice();
  for (let i = 0; i < prefixes.length; i++) {
    // In the first pass all targets of a channel share one histogram.
    const at = (slots === 1 ? Math.floor(i / perChannel) : i) * buckets;
    let bucket = 0;
    while (positions[i]! >= counts[at + bucket]!) positions[i]! -= counts[at + bucket++]!;
    prefixes[i] = prefixes[i]! * buckets + bucket;
  }
  return { rows, prefixes, positions, perChannel };
}

function valuesAt({ rows, prefixes, perChannel }: Targets, fractions: readonly number[]): Float64Array[] {
  const values = fromOrderedBits(prefixes);
  return fractions.map((fraction, quantile) =>
    Float64Array.from({ length: values.length / perChannel }, (_, channel) => {
      const at = channel * perChannel + 2 * quantile;
      const below = Math.floor(fraction * (rows - 1));
      return interpolateQuantile(rows, fraction, (position) => values[at + (position === below ? 0 : 1)]!);
    }),
  );
}

/** The bits of a float32 as an unsigned number of the same order (negative numbers have all bits flipped). */
function orderedBits(bits: number): number {
  return (bits ^ ((bits >> 31) | 0x80000000)) >>> 0;
}

function fromOrderedBits(ordered: Uint32Array): Float32Array {
  const bits = ordered.map((key) => (key >= 0x80000000 ? key ^ 0x80000000 : ~key));
  return new Float32Array(bits.buffer);
}
