/**
 * The quantile of a sorted population by numpy's default rule (`method="linear"`): position fraction·(n − 1),
 * counted from 0, interpolated between its two neighbours.
 *
 * @param count n, at least 1
 * @param fraction in [0, 1]; a percentile p is p / 100
 * @param valueAt the value at a position, ascending
 */
export function interpolateQuantile(
  count: number,
  fraction: number,
  valueAt: (position: number) => number,
): number {
  const position = fraction * (count - 1);
  const below = Math.floor(position);
  const weight = position - below;
  const a = valueAt(below);
  if (weight === 0) return a;
  const b = valueAt(below + 1);
  // numpy measures from the nearer end, which keeps the result between a and b.
  return weight < 0.5 ? a + (b - a) * weight : b - (b - a) * (1 - weight);
}

/** The quantile of values in any order (numpy's linear rule); `values` is left alone and must not be empty. */
export function quantile(values: Float32Array | Float64Array, fraction: number): number {
  const sorted = values.slice().sort();
  return interpolateQuantile(sorted.length, fraction, (position) => sorted[position]!);
}
