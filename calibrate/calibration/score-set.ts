import { applyLinearTo } from '../../shared/maths/linear.ts';
import { allocateScores, type Head, type Scorer, type Scores } from '../../shared/methods/contract.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import type { FeatureSet } from '../features/feature-set.ts';

/** Rows scored together: 128 rows × 1000 logits in float64 are 1 MiB. */
const ROWS = 128;

/**
 * Scores every row of a set with several detectors, in one pass and with the logits computed once, in float64.
 * @returns one entry a scorer, in their order
 */
export async function scoreSet(
  set: Pick<FeatureSet, 'rows' | 'batches'>,
  head: Head,
  scorers: readonly Scorer[],
  { signal, onRows }: { readonly signal: AbortSignal; readonly onRows?: (rows: number) => void },
): Promise<Scores[]> {
  const results = scorers.map(() => allocateScores(set.rows));
  const wide = new Float64Array(ROWS * head.width);
  const logits = new Float64Array(ROWS * head.classes);
  for await (const { rows, firstRow, features } of set.batches(ROWS)) {
    throwIfAborted(signal);
    applyLinearTo(head, features, rows, wide, logits);
    scorers.forEach((scorer, i) => {
      scorer.score(features, logits, rows, from(results[i]!, firstRow));
    });
    onRows?.(rows);
  }
  return results;
}

function from({ score, predicted, cosine, flags }: Scores, row: number): Scores {
  return {
    score: score.subarray(row),
    predicted: predicted.subarray(row),
    cosine: cosine.subarray(row),
    flags: flags.subarray(row),
  };
}
