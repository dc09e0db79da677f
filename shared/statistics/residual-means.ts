import { argmax } from '../maths/logit-sums.ts';
import { f64, type Tensors } from '../tensor.ts';
import { type Batch, blockCount, type Reducer, type ReducerContext, type Statistic } from './contract.ts';
import { takeRowCount } from './saved-rows.ts';
import { SumTree } from './sum-tree.ts';

/** Writes the residual norms of `rows` rows of features. */
export type ResidualNormsOf = (features: Float32Array, rows: number, norms: Float64Array) => void;

/** Means over all training rows. */
export interface ResidualMeans {
  readonly rows: number;
  /** Mean residual norm. */
  readonly residual: number;
  /** Mean largest logit. */
  readonly maxLogit: number;
}

/**
 * Means of a residual norm and of the largest logit over the training rows.
 * @param key names the residual; equal keys must mean equal functions for the same training data
 */
export function residualMeans(key: string, residualNorms: ResidualNormsOf): Statistic<ResidualMeans> {
  return {
    key: `residual-means:${key}`,
    over: 'train',
    create: (context) => new ResidualMeanReducer(context, residualNorms),
  };
}

class ResidualMeanReducer implements Reducer<ResidualMeans> {
  readonly #classes: number;
  /** Sum of residual norms, sum of largest logits. */
  readonly #tree: SumTree;
  readonly #norms: ResidualNormsOf;
  #rows = 0;

  constructor({ head, totalRows }: ReducerContext, norms: ResidualNormsOf) {
    this.#classes = head.classes;
    this.#tree = new SumTree(2, blockCount(totalRows, head.classes));
    this.#norms = norms;
  }

  add(batch: Batch): void {
    const sums = this.#tree.leaf;
    const norms = new Float64Array(batch.rows);
    this.#norms(batch.features, batch.rows, norms);
    const logits = batch.logits();
    for (let row = 0; row < batch.rows; row++) {
      const at = row * this.#classes;
      sums[0]! += norms[row]!;
      sums[1]! += logits[at + argmax(logits, at, this.#classes)]!;
    }
    this.#rows += batch.rows;
  }

  endBlock(index: number): void {
    this.#tree.endBlock(index);
  }

  merge(saved: Tensors): void {
    this.#rows += takeRowCount(saved, 'residual means');
    this.#tree.merge(saved);
  }

  save(): Tensors {
    return { rows: f64(Float64Array.of(this.#rows), 1), ...this.#tree.save() };
  }

  result(): ResidualMeans {
    const [residual, maxLogit] = this.#tree.total();
    return { rows: this.#rows, residual: residual! / this.#rows, maxLogit: maxLogit! / this.#rows };
  }
}
