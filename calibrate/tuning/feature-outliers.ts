import type { SampledRows } from '../report/sampled-rows.ts';
import { seededRandom } from '../seeded-random.ts';

/** Synthetic outliers of one kind, as penultimate features. */
export interface Outliers {
  readonly kind: string;
  readonly rows: number;
  /** rows × width. */
  readonly features: Float32Array;
}

/** Rows of a kind that take the place of the given ones. */
type Draw = (rows: SampledRows, random: () => number) => Float32Array;

const KINDS: Readonly<Record<string, Draw>> = {
  mixed: mixRows,
  crossed: crossRows,
  shuffled: shuffleChannels,
};

/**
 * Outliers made of held-out in-distribution features alone, as many of each kind as there are rows: two samples
 * averaged (`mixed`), two samples' channels put together at random (`crossed`), and every channel from another sample
 * (`shuffled`), which keeps what each channel does and loses what they do together. The same seed gives the same
 * outliers.
 */
export function featureOutliers(sample: SampledRows, seed: number): Outliers[] {
  return Object.entries(KINDS).map(([kind, draw], i) => {
    return { kind, rows: sample.rows, features: draw(sample, seededRandom(seed + i)) };
  });
}

function mixRows({ rows, width, features }: SampledRows, random: () => number): Float32Array {
  const mixed = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const other = Math.floor(random() * rows);
    const share = 0.3 + 0.4 * random();
    for (let l = 0; l < width; l++) {
      mixed[row * width + l] = share * features[row * width + l]! + (1 - share) * features[other * width + l]!;
    }
  }
  return mixed;
}

function crossRows({ rows, width, features }: SampledRows, random: () => number): Float32Array {
  const crossed = features.slice();
  for (let row = 0; row < rows; row++) {
    const other = Math.floor(random() * rows);
    for (let l = 0; l < width; l++) if (random() < 0.5) crossed[row * width + l] = features[other * width + l]!;
  }
  return crossed;
}

function shuffleChannels({ rows, width, features }: SampledRows, random: () => number): Float32Array {
  return Float32Array.from(
    { length: rows * width },
    (_, i) => features[Math.floor(random() * rows) * width + (i % width)]!,
  );
}
