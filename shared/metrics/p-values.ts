/**
 * Conformal p-value of a score: (1 + #{calibration scores ≤ s}) / (n + 1), in (0, 1]. For a sample exchangeable with
 * the calibration set, P(p ≤ α) ≤ α; small values speak for out-of-distribution. Scores of the same sample that differ
 * by rounding may have neighbouring ranks (functions/rationale.md).
 * @param ascending n calibration scores in ascending order
 */
export function conformalPValue(ascending: Float64Array, score: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! <= score) low = middle + 1;
    else high = middle;
  }
  return (1 + low) / (ascending.length + 1);
}

/**
 * Adjusted p-values of a batch by the step-up rule of Benjamini and Hochberg (J. R. Stat. Soc. B 57, 1995): calling
 * out-of-distribution every sample whose adjusted value is ≤ q keeps the expected share of false calls at or below
 * q. The k-th smallest of m values becomes min over j ≥ k of p_(j)·m/j, at most 1. In the order of the input; values
 * must be in [0, 1].
 */
export function adjustPValues(pValues: Float64Array): Float64Array {
  const count = pValues.length;
  const order = Uint32Array.from(pValues.keys()).sort((a, b) => pValues[a]! - pValues[b]!);
  const adjusted = new Float64Array(count);
  let least = 1;
  for (let k = count; k >= 1; k--) {
    const sample = order[k - 1]!;
    least = Math.min(least, (pValues[sample]! * count) / k);
    adjusted[sample] = least;
  }
  return adjusted;
}
