import { type DetectorAnswer, type Result, round } from './answers.ts';

const WARNINGS: Readonly<Record<string, string>> = {
  zero_features: 'All features are zero: the classifier saw nothing it knows.',
  no_prototype: 'The predicted class had no training images, so nothing can be said for it.',
  negative_cosine: 'The features point away from what training images of the predicted class look like.',
};

/** What the decision means, in one sentence. */
export function meaningOf({ decision, predicted_name: name }: Result): string {
  return decision === 'id'
    ? 'It looks like what the classifier knows, so its answer can be used.'
    : `It looks like nothing the classifier knows. On its own, the classifier would have said “${name}”.`;
}

/** Why a sample was accepted or refused, a sentence each, the decisive one first. */
export function reasonsFor(result: Result, detector: DetectorAnswer): string[] {
  const { score, p_value: p, cosine, warnings, detail, predicted_name: name } = result;
  const n = detector.calibration_scores;
  const place = score < detector.gamma ? 'below' : 'at or above';
  return [
    ...warnings.map((warning) => WARNINGS[warning] ?? warning),
    `Its score, ${round(score)}, is ${place} the threshold γ = ${round(detector.gamma)}, which ${round(100 * detector.tpr)} % of known images reach.`,
    `Of ${n} known images that were set aside for this, ${countOf(p, n)} as low as this or lower.`,
    ...(cosine === null
      ? []
      : [
          `Its cosine to the average training image of “${name}” is ${round(cosine)} (1: the same pattern, 0: nothing in common).`,
        ]),
    ...channels(detail.masked_channels, `that matter little to “${name}” were masked`),
    ...channels(detail.clipped_channels, 'that were unusually strong were clipped'),
  ];
}

/** How many of n calibration scores are at most this one: a p-value is (1 + their number) / (n + 1). */
function countOf(p: number, n: number): string {
  const count = Math.round(p * (n + 1)) - 1;
  if (count === 0) return 'none scores';
  return count === 1 ? 'one scores' : `${count} score`;
}

/** A sentence about some channels; none about none. */
function channels(count: number | undefined, what: string): string[] {
  return count === undefined || count === 0 ? [] : [`Active channels ${what}: ${count}.`];
}
