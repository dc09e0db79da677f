import { HimplosError } from '../errors.ts';
import { interpolateQuantile } from '../maths/quantile.ts';
import { f32, f64, type Tensors } from '../tensor.ts';
import type { Batch, Reducer, ReducerContext, Statistic } from './contract.ts';
import { BUCKETS, bucketMiddle, FloatHistogram } from './float-histogram.ts';

/** Quantiles of a population. */
export interface Quantiles {
  /** Size of the population. */
  readonly count: number;
  /** Whether `at` is exact; otherwise its relative error is below 1e-4. */
  readonly isExact: boolean;
  /** The value at `fraction` in [0, 1], interpolated by numpy's linear rule. */
  readonly at: (fraction: number) => number;
}

/**
 * Quantiles of all N·L training activations pooled (what ReAct's and HIMPLoS's λ are percentiles of): exact where
 * the whole source has at most 2^24 of them, else from a histogram of 16 MiB.
 */
export const activationQuantiles: Statistic<Quantiles> = {
  key: 'activation-quantiles',
  over: 'train',
  create: (context) =>
    context.totalRows * context.head.width <= MAX_EXACT_VALUES
      ? new ExactQuantiles(context)
      : new HistogramQuantiles(context),
};

/** 64 MiB of float32. The same for every shard, because it is compared with the size of the whole source. */
export const MAX_EXACT_VALUES = 2 ** 24;

/** Keeps every value. */
class ExactQuantiles implements Reducer<Quantiles> {
  readonly #width: number;
  readonly #parts: Float32Array[] = [];

  constructor({ head }: ReducerContext) {
    this.#width = head.width;
  }

  add({ features, rows }: Batch): void {
    this.#parts.push(features.slice(0, rows * this.#width));
  }

  endBlock(): void {}

  merge({ values }: Tensors): void {
    if (values?.dtype !== 'F32') throw foreignState();
    this.#parts.push(values.data.slice());
  }

  save(): Tensors {
    // Sorted, so that the saved state does not depend on the order of rows either.
    const values = this.#sorted();
    return { values: f32(values, values.length) };
  }

  result(): Quantiles {
    const sorted = this.#sorted();
    const { length } = sorted;
    return {
      count: length,
      isExact: true,
      at: (fraction) => interpolateQuantile(length, fraction, (position) => sorted[position]!),
    };
  }

  #sorted(): Float32Array {
    const all = new Float32Array(this.#parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all.sort();
  }
}

/** Counts values by their leading bits. */
class HistogramQuantiles implements Reducer<Quantiles> {
  readonly #width: number;
  readonly #histogram = new FloatHistogram();

  constructor({ head }: ReducerContext) {
    this.#width = head.width;
  }

  add({ features, rows }: Batch): void {
    this.#histogram.add(features, rows * this.#width);
  }

  endBlock(): void {}

  merge({ buckets, counts }: Tensors): void {
    const isState =
      buckets?.dtype === 'I32' && counts?.dtype === 'F64' && buckets.data.length === counts.data.length;
    if (!isState) throw foreignState();
    for (let i = 0; i < buckets.data.length; i++) {
      const bucket = buckets.data[i]!;
      const count = counts.data[i]!;
      if (bucket < 0 || bucket >= BUCKETS || !Number.isSafeInteger(count) || count < 1) throw foreignState();
    }
    this.#histogram.addCounts(buckets.data, counts.data);
  }

  save(): Tensors {
    const { buckets, counts } = this.#histogram.entries();
    return {
      buckets: { dtype: 'I32', data: buckets, shape: [buckets.length] },
      counts: f64(counts, counts.length),
    };
  }

  result(): Quantiles {
    const { buckets, counts } = this.#histogram.entries();
    // Position of the last value of each bucket, so that a position is found by binary search.
    const last = new Float64Array(counts.length);
    let seen = 0;
    counts.forEach((count, i) => {
      seen += count;
      last[i] = seen - 1;
    });
    return {
      count: this.#histogram.total,
      isExact: false,
      at: (fraction) =>
        interpolateQuantile(seen, fraction, (position) =>
          bucketMiddle(buckets[findFirstAtLeast(last, position)]!),
        ),
    };
  }
}

/** Index of the first element ≥ `value` of an ascending array that has one. */
function findFirstAtLeast(ascending: Float64Array, value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}

function foreignState(): HimplosError {
  return new HimplosError(
    'bad-input',
    'activation quantiles: expected a state of the same kind, got another one',
    {
      hint: 'merge partial results of one calibration only',
    },
  );
}
