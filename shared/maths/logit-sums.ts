/** Index of the largest of `count` values from `at` on, counted from `at`; ties go to the lowest index. */
export function argmax(values: Float64Array, at: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[at + i]! > values[at + best]!) best = i;
  return best;
}

/**
 * log Σ exp(x_i / T) over `count` values from `at` on, times T: T·LSE(x/T), stable for any finite input because the
 * largest value is taken out first.
 */
export function logSumExp(values: Float64Array, at: number, count: number, temperature = 1): number {
  const largest = values[at + argmax(values, at, count)]!;
  return largest + temperature * Math.log(sumExp(values, at, count, largest, temperature));
}

/** The largest softmax probability of x/T: 1 / Σ exp((x_i − max x)/T), in [1/count, 1]. */
export function maxSoftmax(values: Float64Array, at: number, count: number, temperature = 1): number {
  const largest = values[at + argmax(values, at, count)]!;
  return 1 / sumExp(values, at, count, largest, temperature);
}

/** Softmax of x/T, written to `out` from `outAt` on (which may be where it is read from). */
export function softmax(
  values: Float64Array,
  at: number,
  count: number,
  out: Float64Array,
  outAt: number,
  temperature = 1,
): void {
  const largest = values[at + argmax(values, at, count)]!;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const power = Math.exp((values[at + i]! - largest) / temperature);
    out[outAt + i] = power;
    sum += power;
  }
  for (let i = 0; i < count; i++) out[outAt + i]! /= sum;
}

function sumExp(
  values: Float64Array,
  at: number,
  count: number,
  largest: number,
  temperature: number,
): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp((values[at + i]! - largest) / temperature);
  return sum;
}
