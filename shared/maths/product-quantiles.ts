import { interpolateQuantile } from './quantile.ts';
import { selectInPlace } from './select.ts';

/**
 * Quantiles of the population { scale[l] · matrix[r, l] } over all rows r and columns l of a fixed matrix, for one
 * vector of scales after another, without making the products: each column is sorted once, and its products ascend with
 * it (rounded multiplication by a number ≥ 0 keeps the order). A pivot is then counted by bisection in every column, and
 * the part of each that can still hold the answer shrinks, as in quickselect. About log2(rows)² · columns steps instead
 * of rows · columns.
 */
export class ProductQuantiles {
  readonly #rows: number;
  readonly #columns: number;
  /** columns × rows, each column ascending. */
  readonly #sorted: Float32Array;
  /** What is left of each column: positions from `low` up to, not including, `high`. */
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  /** By column: how many products are below the pivot, how many at most the pivot. */
  readonly #below: Int32Array;
  readonly #upTo: Int32Array;
  readonly #middles: Float64Array;

  /** @param matrix rows × columns, row-major */
  constructor(matrix: Float32Array, rows: number, columns: number) {
    this.#rows = rows;
    this.#columns = columns;
    this.#sorted = new Float32Array(rows * columns);
    for (let l = 0; l < columns; l++) {
      const column = this.#sorted.subarray(l * rows, (l + 1) * rows);
      for (let r = 0; r < rows; r++) column[r] = matrix[r * columns + l]!;
      column.sort();
    }
    this.#low = new Int32Array(columns);
    this.#high = new Int32Array(columns);
    this.#below = new Int32Array(columns);
    this.#upTo = new Int32Array(columns);
    this.#middles = new Float64Array(columns);
  }

  /**
   * The quantile by numpy's linear rule, of products rounded to float64.
   * @param scales one a column, ≥ 0 and finite
   * @param fraction in [0, 1]
   */
  at(scales: Float64Array, fraction: number): number {
    const count = this.#rows * this.#columns;
    const position = Math.floor(fraction * (count - 1));
    const { value, upTo } = this.#select(scales, position);
    return interpolateQuantile(count, fraction, (wanted) =>
      wanted < upTo ? value : this.#smallestAbove(scales),
    );
  }

  /** The product at a position of the ascending order, and how many are at most as large. */
  #select(scales: Float64Array, position: number): { readonly value: number; readonly upTo: number } {
    this.#low.fill(0);
    this.#high.fill(this.#rows);
    for (;;) {
      const value = this.#choosePivot(scales);
      let below = 0;
      let upTo = 0;
      for (let l = 0; l < this.#columns; l++) {
        below += this.#below[l] = this.#countBelow(scales[l]!, l, this.#low[l]!, value);
        upTo += this.#upTo[l] = this.#countUpTo(scales[l]!, l, this.#below[l]!, value);
      }
      if (position < below) this.#high.set(this.#below);
      else if (position >= upTo) this.#low.set(this.#upTo);
      else return { value, upTo };
    }
  }

  /** The median of the middle products of what is left: half of the columns lose half of their products or more. */
  #choosePivot(scales: Float64Array): number {
    let columns = 0;
    for (let l = 0; l < this.#columns; l++) {
      const [low, high] = [this.#low[l]!, this.#high[l]!];
      if (low < high) this.#middles[columns++] = this.#product(scales[l]!, l, (low + high) >> 1);
    }
    return selectInPlace(this.#middles, columns, columns >> 1);
  }

  /** Products of column l below `value`; at least `from` are. */
  #countBelow(scale: number, l: number, from: number, value: number): number {
    let low = from;
    let high = this.#high[l]!;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#product(scale, l, middle) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Products of column l up to `value`; at least `from` are. */
  #countUpTo(scale: number, l: number, from: number, value: number): number {
    let low = from;
    let high = this.#high[l]!;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#product(scale, l, middle) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The smallest product above the value that was selected last; there is one. */
  #smallestAbove(scales: Float64Array): number {
    let smallest = Number.POSITIVE_INFINITY;
    for (let l = 0; l < this.#columns; l++) {
      const next = this.#upTo[l]!;
      if (next < this.#rows) smallest = Math.min(smallest, this.#product(scales[l]!, l, next));
    }
    return smallest;
  }

  #product(scale: number, l: number, position: number): number {
    return scale * this.#sorted[l * this.#rows + position]!;
  }
}
