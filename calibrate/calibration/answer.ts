import type { LoadedDetector } from '../../shared/artifact/load-detector.ts';
import type { Scores } from '../../shared/methods/contract.ts';
import { explainFlags } from '../../shared/methods/explain-flags.ts';
import { conformalPValue } from '../../shared/metrics/p-values.ts';

/** What a detector says of one sample. */
export interface Answer {
  readonly name: string;
  readonly decision: 'id' | 'ood';
  /** Higher = more in-distribution. */
  readonly score: number;
  /** γ. */
  readonly threshold: number;
  /** Name of the predicted class. */
  readonly class: string;
  /** Its index among the logits. */
  readonly predicted: number;
  /** Conformal p-value in (0, 1]: small speaks for out-of-distribution. */
  readonly p: number;
  /** To the predicted class's prototype; null for methods without one. */
  readonly cosine: number | null;
  readonly warnings: readonly string[];
}

/** The answer for one row of scores: ID iff score ≥ γ and no flag is set. */
export function answerOf(
  { document, calibrationScores }: LoadedDetector,
  name: string,
  { score, predicted, cosine, flags }: Scores,
  row: number,
): Answer {
  const { gamma } = document.threshold;
  const value = score[row]!;
  return {
    name,
    decision: value >= gamma && flags[row] === 0 ? 'id' : 'ood',
    score: value,
    threshold: gamma,
    class: document.classNames[predicted[row]!]!,
    predicted: predicted[row]!,
    p: conformalPValue(calibrationScores, value),
    cosine: Number.isNaN(cosine[row]) ? null : cosine[row]!,
    warnings: explainFlags(flags[row]!),
  };
}
