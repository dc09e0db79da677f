import { FLAG_NEGATIVE_COSINE, FLAG_NO_PROTOTYPE, FLAG_ZERO_FEATURE } from './contract.ts';

/** Why a row is out-of-distribution whatever its score: one sentence for each flag that is set. */
export function explainFlags(flags: number): string[] {
  return SENTENCES.filter(([flag]) => (flags & flag) !== 0).map(([, sentence]) => sentence);
}

const SENTENCES = [
  [FLAG_ZERO_FEATURE, 'all penultimate features are zero'],
  [FLAG_NO_PROTOTYPE, 'the predicted class had no training samples'],
  [FLAG_NEGATIVE_COSINE, 'the features point away from the prototype of the predicted class'],
] as const;
