import { HimplosError } from '../errors.ts';
import { argmax, softmax } from '../maths/logit-sums.ts';
import { f64, type Tensors } from '../tensor.ts';
import {
  BATCH_ROWS,
  type Batch,
  blockCount,
  type Reducer,
  type ReducerContext,
  type Statistic,
} from './contract.ts';
import { SumTree } from './sum-tree.ts';

/** Softmax sums of the rows that the classifier predicts as each class. */
export interface PredictedProbabilities {
  /** C row counts. */
  readonly counts: Float64Array;
  /** C × C, row c: the sum of p over rows predicted c. */
  readonly sums: Float64Array;
}

/** Softmax probabilities of the training rows, summed by **predicted** class; labels are not looked at. */
export const predictedProbabilities: Statistic<PredictedProbabilities> = {
  key: 'predicted-probabilities',
  over: 'train',
  create: (context) => new PredictedProbabilityReducer(context),
};

class PredictedProbabilityReducer implements Reducer<PredictedProbabilities> {
  readonly #classes: number;
  readonly #counts: Float64Array;
  readonly #tree: SumTree;
  readonly #probabilities: Float64Array;

  constructor({ head: { classes }, totalRows }: ReducerContext) {
    this.#classes = classes;
    this.#counts = new Float64Array(classes);
    this.#tree = new SumTree(classes * classes, blockCount(totalRows, classes));
    this.#probabilities = new Float64Array(BATCH_ROWS * classes);
  }

  add(batch: Batch): void {
    const classes = this.#classes;
    const logits = batch.logits();
    const sums = this.#tree.leaf;
    for (let row = 0; row < batch.rows; row++) {
      const from = row * classes;
      const predicted = argmax(logits, from, classes);
      softmax(logits, from, classes, this.#probabilities, from);
      this.#counts[predicted]! += 1;
      const to = predicted * classes;
      for (let k = 0; k < classes; k++) sums[to + k]! += this.#probabilities[from + k]!;
    }
  }

  endBlock(index: number): void {
    this.#tree.endBlock(index);
  }

  merge(saved: Tensors): void {
    const { counts } = saved;
    if (counts?.dtype !== 'F64' || counts.data.length !== this.#classes) {
      throw new HimplosError(
        'bad-input',
        `predicted probabilities: expected ${this.#classes} counts, got another state`,
        { hint: 'merge partial results of one calibration only' },
      );
    }
    this.#tree.merge(saved);
    for (let c = 0; c < this.#classes; c++) this.#counts[c]! += counts.data[c]!;
  }

  save(): Tensors {
    return { counts: f64(this.#counts.slice(), this.#classes), ...this.#tree.save() };
  }

  result(): PredictedProbabilities {
    return { counts: this.#counts.slice(), sums: this.#tree.total() };
  }
}
