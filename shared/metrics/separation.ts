import { HimplosError } from '../errors.ts';

/** How well scores tell an in-distribution (ID) set from an out-of-distribution (OOD) one. Fractions of 1. */
export interface Separation {
  /** Share of OOD accepted where 95 % of ID is accepted; ID is the positive class. Lower is better. */
  readonly fpr95: number;
  /** Share of ID flagged where 95 % of OOD is caught; OOD is the positive class (OpenOOD v1.5, pytorch-ood). */
  readonly fpr95_ood: number;
  /** Area under the ROC curve; a tie counts one half. */
  readonly auroc: number;
  /** Area under the precision-recall curve, ID positive. */
  readonly aupr_in: number;
  /** The same with OOD positive. */
  readonly aupr_out: number;
}

/**
 * All figures for two sets of scores, higher = more in-distribution. Scores are ranked as they are, in float64.
 * Throws `bad-input` when a set is empty or holds NaN.
 */
export function measureSeparation(id: Float64Array, ood: Float64Array): Separation {
  const ascendingId = sortScores(id, 'in-distribution');
  const ascendingOod = sortScores(ood, 'out-of-distribution');
  const mirroredId = mirror(ascendingId);
  const mirroredOod = mirror(ascendingOod);
  return {
    fpr95: falsePositives(ascendingId, ascendingOod),
    fpr95_ood: falsePositives(mirroredOod, mirroredId),
    auroc: rocArea(ascendingId, ascendingOod),
    aupr_in: precisionRecallArea(ascendingId, ascendingOod),
    aupr_out: precisionRecallArea(mirroredOod, mirroredId),
  };
}

/** The mean of each figure over several OOD sets, every set counting the same. There must be at least one. */
export function averageSeparation(separations: readonly Separation[]): Separation {
  const mean = (figure: keyof Separation) =>
    separations.reduce((sum, separation) => sum + separation[figure], 0) / separations.length;
  return {
    fpr95: mean('fpr95'),
    fpr95_ood: mean('fpr95_ood'),
    auroc: mean('auroc'),
    aupr_in: mean('aupr_in'),
    aupr_out: mean('aupr_out'),
  };
}

/**
 * The largest t with share(score ≥ t) ≥ 95 %: the score at position ⌊0.05·n + 1e-9⌋, counted from 0, of n scores in
 * ascending order.
 */
export function threshold95(ascending: Float64Array): number {
  return ascending[Math.floor(0.05 * ascending.length + 1e-9)]!;
}

/** Share of negatives at or above the threshold that 95 % of the positives reach (ties are accepted together). */
function falsePositives(positives: Float64Array, negatives: Float64Array): number {
  return (negatives.length - countBelow(negatives, threshold95(positives))) / negatives.length;
}

/**
 * The share of (positive, negative) pairs in the right order, ties one half: the Mann–Whitney statistic, equal to
 * the area under the ROC curve (Hanley and McNeil, Radiology 143, 1982). Both ascending. Counts are exact.
 */
function rocArea(positives: Float64Array, negatives: Float64Array): number {
  let below = 0;
  let notAbove = 0;
  let halves = 0;
  for (const score of positives) {
    while (below < negatives.length && negatives[below]! < score) below++;
    while (notAbove < negatives.length && negatives[notAbove]! <= score) notAbove++;
    halves += below + notAbove;
  }
  return halves / (2 * positives.length * negatives.length);
}

/**
 * Σ (R_i − R_{i−1})·P_i over the distinct scores from the largest down, P and R precision and recall of accepting
 * everything at or above the i-th: average precision by step integration. Both ascending.
 */
function precisionRecallArea(positives: Float64Array, negatives: Float64Array): number {
  let area = 0;
  let accepted = 0;
  let p = positives.length;
  let n = negatives.length;
  while (p > 0) {
    const score = positives[p - 1]!;
    const from = p;
    while (p > 0 && positives[p - 1] === score) p--;
    while (n > 0 && negatives[n - 1]! >= score) n--;
    accepted = positives.length - p + (negatives.length - n);
    area += ((from - p) * (positives.length - p)) / accepted;
  }
  return area / positives.length;
}

/** Negated scores, ascending again: the same ranking with the roles of the sets exchanged. */
function mirror(ascending: Float64Array): Float64Array {
  return ascending.map((score) => -score).reverse();
}

/** How many of an ascending list are below `score`. */
function countBelow(ascending: Float64Array, score: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < score) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sortScores(scores: Float64Array, what: string): Float64Array {
  const bad = scores.length === 0 ? 'none' : scores.some(Number.isNaN) ? 'NaN among them' : undefined;
  if (bad === undefined) return scores.slice().sort();
  throw new HimplosError('bad-input', `${what} scores: expected at least one number, got ${bad}`, {
    hint: 'look for an empty source or a model that overflows',
  });
}
