import type { Figure } from './results.ts';

/** Scores of an ID and an OOD set as places in their common ranking, equal scores sharing one. */
export interface ScoreRanks {
  /** Number of distinct scores; ranks run from 0, the lowest score, to `count` − 1. */
  readonly count: number;
  readonly id: Int32Array;
  readonly ood: Int32Array;
}

/** Ranks two sets of scores together. Both must be free of NaN. */
export function rankScores(id: Float64Array, ood: Float64Array): ScoreRanks {
  const all = new Float64Array(id.length + ood.length);
  all.set(id);
  all.set(ood, id.length);
  const order = Int32Array.from(all.keys()).sort((a, b) => all[a]! - all[b]!);
  const ranks = new Int32Array(all.length);
  let rank = -1;
  order.forEach((at, i) => {
    if (i === 0 || all[at]! !== all[order[i - 1]!]!) rank++;
    ranks[at] = rank;
  });
  return { count: rank + 1, id: ranks.subarray(0, id.length), ood: ranks.subarray(id.length) };
}

/**
 * The figures of `measureSeparation` from how often each rank occurs among ID and OOD samples: linear in the number of
 * ranks, where sorting anew is not. Each array adds up to at least 1.
 */
export function separationOfCounts(id: Int32Array, ood: Int32Array): Record<Figure, number> {
  const ranks = id.length;
  let n = 0;
  let m = 0;
  for (let r = 0; r < ranks; r++) {
    n += id[r]!;
    m += ood[r]!;
  }
  const idAt = Math.floor(0.05 * n + 1e-9);
  const oodAt = Math.floor(0.05 * m + 1e-9);
  let fpr95 = Number.NaN;
  let halves = 0;
  let auprOut = 0;
  for (let r = 0, idBelow = 0, oodBelow = 0; r < ranks; r++) {
    const i = id[r]!;
    const o = ood[r]!;
    if (idBelow <= idAt && idBelow + i > idAt) fpr95 = (m - oodBelow) / m;
    halves += i * (2 * oodBelow + o);
    idBelow += i;
    oodBelow += o;
    if (o > 0) auprOut += (o * oodBelow) / (oodBelow + idBelow);
  }
  let fpr95Ood = Number.NaN;
  let auprIn = 0;
  for (let r = ranks - 1, idAbove = 0, oodAbove = 0; r >= 0; r--) {
    const i = id[r]!;
    const o = ood[r]!;
    if (oodAbove <= oodAt && oodAbove + o > oodAt) fpr95Ood = (n - idAbove) / n;
    idAbove += i;
    oodAbove += o;
    if (i > 0) auprIn += (i * idAbove) / (idAbove + oodAbove);
  }
  return {
    fpr95,
    auroc: halves / (2 * n * m),
    aupr_in: auprIn / n,
    aupr_out: auprOut / m,
    fpr95_ood: fpr95Ood,
  };
}
