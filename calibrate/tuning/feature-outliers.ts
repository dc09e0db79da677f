import type { SampledRows } from '../report/sampled-rows.ts';
import { seededRandom } from '../seeded-random.ts';

/** Synthetic outliers of one kind, as penultimate features. */
export interface Outliers {
  readonly kind: string;
  readonly rows: number;
  /** rows × width. */
  readonly features: Float32Array;
}

/** From how many samples the channels of one outlier come. */
const SOURCES = [2, 3, 4] as const;

/**
 * Outliers made of held-out in-distribution features alone, as many of each kind as there are rows: every channel from
 * one of 2, 3 or 4 samples at random. Each channel does what it always does, what they do together is lost.
 * Averages of samples, the obvious mixture, are of no use (see rationale.md). The same seed gives the same outliers.
 */
export function featureOutliers(
  { rows, width, features }: Pick<SampledRows, 'rows' | 'width' | 'features'>,
  seed: number,
): Outliers[] {
  return SOURCES.map((sources) => {
    const random = seededRandom(seed + sources);
    const crossed = new Float32Array(rows * width);
    const from = new Int32Array(sources);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < sources; i++) from[i] = Math.floor(random() * rows);
      for (let l = 0; l < width; l++) {
        crossed[row * width + l] = features[from[Math.floor(random() * sources)]! * width + l]!;
      }
    }
    return { kind: `${sources} samples crossed`, rows, features: crossed };
  });
}
