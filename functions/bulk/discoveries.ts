/** What Benjamini and Hochberg's procedure decides over a whole input. */
export interface Discoveries {
  /** Samples whose p-value is at most this are called out-of-distribution; 0 when none is. */
  readonly pThreshold: number;
  readonly count: number;
}

/**
 * Benjamini and Hochberg (see `adjustPValues`) in memory that does not grow with the samples: conformal p-values are
 * (1 + r)/(n + 1) with r from 0 to n, so counting ranks keeps all there is to know.
 */
export class RankCounts {
  readonly #counts: Float64Array;
  readonly #n: number;
  #total = 0;

  /** @param n number of calibration scores */
  constructor(n: number) {
    this.#n = n;
    this.#counts = new Float64Array(n + 1);
  }

  /** Counts a sample by its p-value. */
  add(pValue: number): void {
    this.#counts[Math.round(pValue * (this.#n + 1)) - 1]!++;
    this.#total++;
  }

  /** The largest p with p ≤ q·#{p-values ≤ p}/m. */
  discoveries(q: number): Discoveries {
    let best: Discoveries = { pThreshold: 0, count: 0 };
    let count = 0;
    for (let rank = 0; rank <= this.#n; rank++) {
      if (this.#counts[rank] === 0) continue;
      count += this.#counts[rank]!;
      const p = (1 + rank) / (this.#n + 1);
      if ((p * this.#total) / count <= q) best = { pThreshold: p, count };
    }
    return best;
  }
}
