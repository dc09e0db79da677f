import { HimplosError } from '../errors.ts';

/** γ and where it comes from. */
export interface Threshold {
  /** A sample is accepted as in-distribution iff its score is ≥ γ. */
  readonly gamma: number;
  /** Rank of the calibration score that γ lies just below: 1 is the smallest. */
  readonly index: number;
}

/**
 * γ for a wanted share of accepted in-distribution samples, from n held-out scores: the score of rank
 * ⌊α(n + 1) + 1e-9⌋, α = 1 − tpr, as in split conformal prediction (Vovk et al., Algorithmic Learning in a Random
 * World, 2005), so that a new sample is rejected with probability at most α. γ is put halfway to the next lower
 * distinct score (or on the score itself, if there is none), so that rounding never flips a calibration sample.
 *
 * @param scores n finite calibration scores in any order
 * @param tpr wanted share, in (0, 1)
 * @throws as {@link calibrationIndex}
 */
export function chooseThreshold(scores: Float64Array, tpr: number): Threshold {
  const index = calibrationIndex(scores.length, tpr);
  const ascending = scores.slice().sort();
  const score = ascending[index - 1]!;
  let lower = index - 2;
  while (lower >= 0 && ascending[lower] === score) lower--;
  return { gamma: lower < 0 ? score : (ascending[lower]! + score) / 2, index };
}

/**
 * The rank behind γ, from 1 to `count`, which needs only the number of scores. Throws `bad-usage` for a tpr outside
 * (0, 1), and `bad-input` saying how many scores are needed when there are too few.
 */
export function calibrationIndex(count: number, tpr: number): number {
  if (!(tpr > 0 && tpr < 1)) {
    throw new HimplosError('bad-usage', `true positive rate: expected a number between 0 and 1, got ${tpr}`, {
      hint: 'for example 0.95',
    });
  }
  const index = rankFor(count, tpr);
  if (index >= 1) return index;
  throw new HimplosError(
    'bad-input',
    `calibration: a true positive rate of ${tpr} needs at least ${scoresNeeded(tpr)} held-out samples, got ${count}`,
    { hint: 'give more calibration samples or a rate further from 0 and 1' },
  );
}

/** The smallest number of calibration scores from which γ can be had. */
export function scoresNeeded(tpr: number): number {
  let count = Math.max(1, Math.floor(1 / (1 - tpr)) - 2);
  while (rankFor(count, tpr) < 1) count++;
  return count;
}

function rankFor(count: number, tpr: number): number {
  return Math.min(count, Math.floor((1 - tpr) * (count + 1) + 1e-9));
}
