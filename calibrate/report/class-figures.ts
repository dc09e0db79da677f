import type { DetailedMethod } from './report-data.ts';

/** What becomes of one class. */
export interface ClassFigures {
  /** ID samples labelled so. */
  readonly samples: number;
  /** Share of them that is predicted so; NaN without samples. */
  readonly accuracy: number;
  /** Share of them that is accepted, whatever is predicted; NaN without samples. */
  readonly accepted: number;
  /** OOD samples that are predicted so and accepted. */
  readonly intruders: number;
}

/** Figures of every class at a threshold; undefined where the ID set has no labels. */
export function classFigures(
  { id, ood }: DetailedMethod,
  classes: number,
  gamma: number,
): ClassFigures[] | undefined {
  if (id.labels.some((label) => label < 0)) return undefined;
  const [samples, right, accepted, intruders] = [0, 0, 0, 0].map(() => new Float64Array(classes)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  id.labels.forEach((label, row) => {
    samples[label]!++;
    if (id.scores.predicted[row] === label) right[label]!++;
    if (id.scores.score[row]! >= gamma && id.scores.flags[row] === 0) accepted[label]!++;
  });
  for (const { scores } of ood) {
    scores.score.forEach((score, row) => {
      if (score >= gamma && scores.flags[row] === 0) intruders[scores.predicted[row]!]!++;
    });
  }
  return Array.from(samples, (count, c) => {
    return {
      samples: count,
      accuracy: right[c]! / count,
      accepted: accepted[c]! / count,
      intruders: intruders[c]!,
    };
  });
}
