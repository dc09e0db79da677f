import { type DetectorAnswer, type Result, round } from './answers.ts';

const WARNINGS: Readonly<Record<string, string>> = {
  zero_features: 'All features are zero: the classifier saw nothing it knows.',
  no_prototype: 'The predicted class had no training images, so nothing can be said for it.',
  negative_cosine: 'The features point away from what training images of the predicted class look like.',
};

/** Why a sample was accepted or refused, a sentence each, the decisive one first. */
export function reasonsFor(result: Result, detector: DetectorAnswer): string[] {
  const { score, p_value: p, cosine, warnings, detail, predicted_name: name } = result;
  const isBelow = score < detector.gamma;
  return [
    ...warnings.map((warning) => WARNINGS[warning] ?? warning),
    `The score ${round(score)} is ${isBelow ? 'below' : 'not below'} the threshold γ = ${round(detector.gamma)}, which ${round(100 * detector.tpr)} % of known images reach.`,
    `Of images like those of calibration, about ${round(100 * p)} % score as low as this or lower.`,
    ...(cosine === null
      ? []
      : [`Cosine to the average training image of “${name}”: ${round(cosine)} (1 is the same direction).`]),
    ...(detail.masked_channels === undefined
      ? []
      : [`${detail.masked_channels} active channels matter little to “${name}” and were masked.`]),
    ...(detail.clipped_channels === undefined
      ? []
      : [`${detail.clipped_channels} channels were unusually strong and were clipped.`]),
  ];
}
