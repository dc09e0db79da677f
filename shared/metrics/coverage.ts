import type { Threshold } from './threshold.ts';

/** Numbers of accepted samples, both ends included. */
export interface CountInterval {
  readonly low: number;
  readonly high: number;
}

/**
 * How many of `samples` new in-distribution samples γ accepts if they are exchangeable with the calibration set,
 * with the given probability (equal tails).
 *
 * With γ at the k-th smallest of n scores, the share accepted follows Beta(n − k + 1, k) over calibration sets, and
 * the count a beta-binomial law (Angelopoulos and Bates, arXiv:2107.07511, section 3.2). γ lies between the scores of
 * rank k − 1 and k, so the interval runs from the lower end for rank k to the upper end for rank k − 1.
 *
 * @param threshold rank k, from `chooseThreshold`
 * @param calibrationScores n ≥ k
 */
export function coverageInterval(
  { index }: Pick<Threshold, 'index'>,
  calibrationScores: number,
  samples: number,
  probability = 0.999,
): CountInterval {
  const low = betaBinomialInterval(samples, calibrationScores - index + 1, index, probability).low;
  // Nothing is known below the smallest score; γ is that score itself.
  const rank = Math.max(1, index - 1);
  const high = betaBinomialInterval(samples, calibrationScores - rank + 1, rank, probability).high;
  return { low, high };
}

/**
 * The narrowest range that cuts off at most (1 − probability)/2 at either end of the beta-binomial law with `trials`
 * draws of which each succeeds with a common probability from Beta(a, b); a, b > 0.
 */
export function betaBinomialInterval(
  trials: number,
  a: number,
  b: number,
  probability: number,
): CountInterval {
  const mass = betaBinomialMass(trials, a, b);
  const tail = (1 - probability) / 2;
  let low = 0;
  for (let sum = mass[0]!; sum <= tail; sum += mass[low]!) low++;
  let high = trials;
  for (let sum = mass[trials]!; sum <= tail; sum += mass[high]!) high--;
  return { low, high };
}

/**
 * P(X = 0 … trials) by the ratio of neighbours, p(x + 1)/p(x) = (m − x)(a + x) / ((x + 1)(b + m − x − 1)), from an
 * inner point outwards so that nothing overflows, then normalised.
 */
function betaBinomialMass(trials: number, a: number, b: number): Float64Array {
  const mass = new Float64Array(trials + 1);
  const ratio = (x: number) => ((trials - x) * (a + x)) / ((x + 1) * (b + trials - x - 1));
  const start = Math.min(trials, Math.max(0, Math.round((trials * a) / (a + b))));
  mass[start] = 1;
  for (let x = start; x < trials; x++) mass[x + 1] = mass[x]! * ratio(x);
  for (let x = start; x > 0; x--) mass[x - 1] = mass[x]! / ratio(x - 1);
  const total = mass.reduce((sum, value) => sum + value, 0);
  return mass.map((value) => value / total);
}
