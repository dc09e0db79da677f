import type { SampledRows } from '../report/sampled-rows.ts';
import { seededRandom } from '../seeded-random.ts';

/** Synthetic outliers of one kind, as penultimate features. */
export interface Outliers {
  readonly kind: string;
  readonly rows: number;
  /** rows × width. */
  readonly features: Float32Array;
}

/**
 * Outliers made of held-out in-distribution features alone, as many of each kind as there are rows. `crossed`: every
 * channel from one of two samples at random, so that each does what it always does and what they do together is lost.
 * `weakened`: a sample times a number from 0.3 to 0.8, since what a classifier does not know excites it less.
 * Averages of samples, the obvious mixture, are of no use (see rationale.md). The same seed gives the same outliers.
 */
export function featureOutliers(
  sample: Pick<SampledRows, 'rows' | 'width' | 'features'>,
  seed: number,
): Outliers[] {
  const { rows } = sample;
  return [
    { kind: 'crossed', rows, features: crossRows(sample, seededRandom(seed)) },
    { kind: 'weakened', rows, features: weakenRows(sample, seededRandom(seed + 1)) },
  ];
}

type Rows = Parameters<typeof featureOutliers>[0];

function crossRows({ rows, width, features }: Rows, random: () => number): Float32Array {
  const crossed = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const one = Math.floor(random() * rows);
    const other = Math.floor(random() * rows);
    for (let l = 0; l < width; l++) {
      crossed[row * width + l] = features[(random() < 0.5 ? one : other) * width + l]!;
    }
  }
  return crossed;
}

function weakenRows({ rows, width, features }: Rows, random: () => number): Float32Array {
  const weakened = features.slice(0, rows * width);
  for (let row = 0; row < rows; row++) {
    const factor = 0.3 + 0.5 * random();
    for (let l = 0; l < width; l++) weakened[row * width + l]! *= factor;
  }
  return weakened;
}
