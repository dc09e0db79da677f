/** How many scores lie in each of some equally wide bins. */
export interface Histogram {
  /** The lowest score and the highest: the bins' outer edges. */
  readonly from: number;
  readonly to: number;
  readonly counts: readonly number[];
}

/** Counts ascending, finite scores (at least one) in bins of equal width; the last bin holds its upper edge too. */
export function histogramOf(ascending: Float64Array, bins: number): Histogram {
  const from = ascending[0]!;
  const to = ascending.at(-1)!;
  const counts = new Array<number>(bins).fill(0);
  for (const score of ascending) {
    const share = to > from ? (score - from) / (to - from) : 0;
    counts[Math.min(bins - 1, Math.floor(share * bins))]!++;
  }
  return { from, to, counts };
}
