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
  const place = score < detector.gamma ? 'below' : 'at or above';
  return [
    ...warnings.map((warning) => WARNINGS[warning] ?? warning),
    `Its score, ${round(score)}, is ${place} the threshold γ = ${round(detector.gamma)}, which ${round(100 * detector.tpr)} % of known images reach.`,
    `Of known images, ${countOf(p)} score as low as this or lower.`,
    ...(cosine === null
      ? []
      : [
          `Its cosine to the average training image of “${name}” is ${round(cosine)} (1: the same pattern, 0: nothing in common).`,
        ]),
    ...(detail.masked_channels === undefined
      ? []
      : [`${detail.masked_channels} active channels matter little to “${name}” and were masked.`]),
    ...(detail.clipped_channels === undefined
      ? []
      : [`${detail.clipped_channels} channels were unusually strong and were clipped.`]),
  ];
}

/** A p-value in words. */
function countOf(p: number): string {
  if (p >= 0.01) return `about ${Math.round(100 * p)} in 100`;
  return p >= 0.001 ? `about ${Math.round(1000 * p)} in 1,000` : 'fewer than 1 in 1,000';
}
