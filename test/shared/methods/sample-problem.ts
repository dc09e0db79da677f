import type { Head } from '../../../shared/methods/contract.ts';
import { randomNormals, randomNumbers } from '../random.ts';

/** Features with labels. */
export interface LabelledFeatures {
  readonly rows: number;
  /** rows × L. */
  readonly features: Float32Array;
  readonly labels: Int32Array;
}

/** A small classifier and what its penultimate layer makes of data. */
export interface Problem {
  readonly head: Head;
  readonly train: LabelledFeatures;
  readonly calibration: LabelledFeatures;
  readonly id: LabelledFeatures;
  /** Mixtures of two classes with noise: what a detector should score lower. */
  readonly ood: LabelledFeatures;
}

/**
 * A made-up problem: each class switches on about a third of the channels; features are rectified noisy copies of
 * the class's pattern; the head's weights are the centred patterns.
 */
export function makeProblem({ classes = 6, width = 24, trainRows = 700, seed = 1 } = {}): Problem {
  const random = randomNumbers(seed);
  const normal = randomNormals(seed + 1);
  const patterns = Float64Array.from({ length: classes * width }, () =>
    random() < 0.35 ? 1.5 + random() : 0.1 * random(),
  );
  const weight = new Float32Array(classes * width);
  for (let l = 0; l < width; l++) {
    let mean = 0;
    for (let c = 0; c < classes; c++) mean += patterns[c * width + l]! / classes;
    for (let c = 0; c < classes; c++)
      weight[c * width + l] = 0.5 * (patterns[c * width + l]! - mean) + 0.05 * normal();
  }
  const bias = Float32Array.from({ length: classes }, () => 0.1 * normal());

  function draw(rows: number, isOod: boolean): LabelledFeatures {
    const features = new Float32Array(rows * width);
    const labels = new Int32Array(rows);
    for (let row = 0; row < rows; row++) {
      const c = Math.floor(random() * classes);
      const other = (c + 1 + Math.floor(random() * (classes - 1))) % classes;
      const strength = isOod ? 0.4 : 0.8 + 0.4 * random();
      labels[row] = c;
      for (let l = 0; l < width; l++) {
        const mixed = isOod
          ? (patterns[c * width + l]! + patterns[other * width + l]!) / 2
          : patterns[c * width + l]!;
        features[row * width + l] = Math.max(0, strength * mixed + (isOod ? 0.6 : 0.25) * normal());
      }
    }
    return { rows, features, labels };
  }

  return {
    head: { classes, width, weight, bias },
    train: draw(trainRows, false),
    calibration: draw(200, false),
    id: draw(150, false),
    ood: draw(150, true),
  };
}
