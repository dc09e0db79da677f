import {
  FLAG_NEGATIVE_COSINE,
  FLAG_NO_PROTOTYPE,
  FLAG_ZERO_FEATURE,
  type Scores,
} from '../methods/contract.ts';
import { adjustPValues, conformalPValue } from '../metrics/p-values.ts';

/** What a detector contributes to every answer. */
export interface AnswerContext {
  /** The artifact's version: SHA-256 of detector.safetensors. */
  readonly version: string;
  /** Canonical method spec. */
  readonly method: string;
  /** γ: samples that score lower are out-of-distribution. */
  readonly gamma: number;
  readonly classNames: readonly string[];
  /** n, ascending. */
  readonly calibrationScores: Float64Array;
}

/** One sample's answer, as it is sent. */
export interface SampleAnswer {
  readonly score: number;
  readonly decision: 'id' | 'ood';
  /** Index of the predicted class. */
  readonly predicted_class: number;
  readonly predicted_name: string;
  /** Conformal p-value in (0, 1]; small values speak for out-of-distribution. */
  readonly p_value: number;
  /** Cosine to the predicted class's prototype; null for methods without prototypes. */
  readonly cosine: number | null;
  readonly warnings: readonly Warning[];
  /** Whether the batch's Benjamini–Hochberg procedure calls it out-of-distribution; only where it was asked for. */
  readonly fdr_ood?: boolean;
  readonly detail?: object;
}

export type Warning = 'zero_features' | 'no_prototype' | 'negative_cosine';

/** A whole answer, as it is sent. */
export interface ScoreAnswer {
  readonly artifact_version: string;
  readonly method: string;
  readonly gamma: number;
  readonly results: readonly SampleAnswer[];
}

/** Whether a sample is out-of-distribution: its score is below γ, or a flag says so whatever the score. */
export function isOutOfDistribution(score: number, flags: number, gamma: number): boolean {
  return flags !== 0 || !(score >= gamma);
}

/** Warnings for FLAG_… bits. */
export function warningsOf(flags: number): readonly Warning[] {
  if (flags === 0) return NO_WARNINGS;
  const warnings: Warning[] = [];
  if (flags & FLAG_ZERO_FEATURE) warnings.push('zero_features');
  if (flags & FLAG_NO_PROTOTYPE) warnings.push('no_prototype');
  if (flags & FLAG_NEGATIVE_COSINE) warnings.push('negative_cosine');
  return warnings;
}

const NO_WARNINGS: readonly Warning[] = [];

/** p-values of the first `rows` scores. */
export function pValuesOf(context: AnswerContext, scores: Scores, rows: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) =>
    conformalPValue(context.calibrationScores, scores.score[row]!),
  );
}

/**
 * The answer for `rows` scored samples.
 * @param falseDiscoveryRate q of Benjamini–Hochberg over this batch; undefined leaves it out
 * @param details one a row, where asked for
 */
export function makeAnswer(
  context: AnswerContext,
  scores: Scores,
  rows: number,
  falseDiscoveryRate?: number,
  details?: readonly object[],
): ScoreAnswer {
  const { version, method, gamma, classNames } = context;
  const pValues = pValuesOf(context, scores, rows);
  const adjusted = falseDiscoveryRate === undefined ? undefined : adjustPValues(pValues);
  const results: SampleAnswer[] = [];
  for (let row = 0; row < rows; row++) {
    const score = scores.score[row]!;
    const flags = scores.flags[row]!;
    const cosine = scores.cosine[row]!;
    const predicted = scores.predicted[row]!;
    results.push({
      score,
      decision: isOutOfDistribution(score, flags, gamma) ? 'ood' : 'id',
      predicted_class: predicted,
      predicted_name: classNames[predicted]!,
      p_value: pValues[row]!,
      cosine: Number.isNaN(cosine) ? null : cosine,
      warnings: warningsOf(flags),
      ...(adjusted !== undefined && { fdr_ood: adjusted[row]! <= falseDiscoveryRate! }),
      ...(details !== undefined && { detail: details[row]! }),
    });
  }
  return { artifact_version: version, method, gamma, results };
}
