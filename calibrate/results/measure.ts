import type { Scores } from '../../shared/methods/contract.ts';
import { accuracy } from '../../shared/metrics/accuracy.ts';
import { averageSeparation, measureSeparation } from '../../shared/metrics/separation.ts';
import { type ResultRow, type Results, splitSpec } from './results.ts';
import { averageGroups } from './set-groups.ts';

/** Accuracy on the labelled rows, and the share that γ accepts (a flagged row never is). */
export function measureId(scores: Scores, labels: Int32Array, gamma: number | undefined): Results['id'] {
  const n = labels.length;
  return {
    accuracy: accuracy(scores.predicted, labels),
    n,
    coverage: gamma === undefined ? null : countAccepted(scores, n, gamma) / n,
  };
}

/** Rows that are accepted as in-distribution: score ≥ γ and no flag. */
function countAccepted({ score, flags }: Scores, rows: number, gamma: number): number {
  let accepted = 0;
  for (let i = 0; i < rows; i++) if (score[i]! >= gamma && flags[i] === 0) accepted++;
  return accepted;
}

/**
 * One row an OOD set and, where there is any, their average; with `near`, the averages of near and far sets before
 * that.
 */
export function separate(
  spec: string,
  id: Scores,
  ood: readonly { readonly name: string; readonly scores: Scores }[],
  near?: readonly string[],
): readonly ResultRow[] {
  if (ood.length === 0) return [];
  const method = splitSpec(spec);
  const n_id = id.score.length;
  const rows = ood.map(({ name, scores }): ResultRow => {
    const figures = measureSeparation(id.score, scores.score);
    return { ...method, ood: name, ...figures, n_id, n_ood: scores.score.length };
  });
  const names = ood.map(({ name }) => name);
  const averages = averageGroups(names, near).map(({ name, sets }): ResultRow => {
    const members = rows.filter((row) => sets.includes(row.ood));
    const n_ood = members.reduce((total, row) => total + row.n_ood, 0);
    return { ...method, ood: name, ...averageSeparation(members), n_id, n_ood };
  });
  return [...rows, ...averages];
}
