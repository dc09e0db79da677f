import type { ScoredSet } from './report-data.ts';

/** A sample at one end of its set's scores. */
export interface Extreme {
  readonly sample: string;
  readonly score: number;
  /** Class index. */
  readonly predicted: number;
}

/** How many samples are shown at either end. */
const SHOWN = 5;

/** The samples of a set with the highest scores, highest first, and those with the lowest, lowest first. */
export function findExtremes({ scores, nameOf }: Pick<ScoredSet, 'scores' | 'nameOf'>): {
  readonly most: readonly Extreme[];
  readonly least: readonly Extreme[];
} {
  const order = [...scores.score.keys()].sort((a, b) => scores.score[b]! - scores.score[a]! || a - b);
  const at = (row: number): Extreme => {
    return { sample: nameOf(row), score: scores.score[row]!, predicted: scores.predicted[row]! };
  };
  return { most: order.slice(0, SHOWN).map(at), least: order.slice(-SHOWN).reverse().map(at) };
}
