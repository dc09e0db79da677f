import { HimplosError } from '../errors.ts';
import { argmax } from '../maths/logit-sums.ts';
import { createRowSums, type RowSums } from '../maths/row-sums.ts';
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

/** Counts and feature sums of the rows of each class. */
export interface ClassSums {
  /** C. */
  readonly classes: number;
  /** L. */
  readonly width: number;
  /** C row counts. */
  readonly counts: Float64Array;
  /** C × L sums of features, row-major. */
  readonly sums: Float64Array;
}

/** Sums over the training rows labelled c. Fails on a row without a label. */
export const classSums: Statistic<ClassSums> = {
  key: 'class-sums',
  over: 'train',
  create: (context) => new ClassSumReducer(context, (_, label) => label),
};

/** Sums over the training rows labelled c that the classifier also predicts as c. Fails on a row without a label. */
export const correctClassSums: Statistic<ClassSums> = {
  key: 'correct-class-sums',
  over: 'train',
  create: (context) => {
    const { classes } = context.head;
    return new ClassSumReducer(context, (batch, label, row) =>
      argmax(batch.logits(), row * classes, classes) === label ? label : SKIP,
    );
  },
};

/** C × L means, row-major; a class without rows has a row of zeros. Written to `means`, which begins as zeros. */
export function classMeans(sums: ClassSums): Float64Array;
export function classMeans<T extends Float32Array | Float64Array>(sums: ClassSums, means: T): T;
export function classMeans(
  { classes, width, counts, sums }: ClassSums,
  means: Float32Array | Float64Array = new Float64Array(classes * width),
): Float32Array | Float64Array {
  for (let c = 0; c < classes; c++) {
    const count = counts[c]!;
    if (count === 0) continue;
    for (let i = c * width; i < (c + 1) * width; i++) means[i] = sums[i]! / count;
  }
  return means;
}

/** Mean over all rows, L values. There must be at least one row. */
export function overallMean({ classes, width, counts, sums }: ClassSums): Float64Array {
  const mean = new Float64Array(width);
  for (let c = 0; c < classes; c++) {
    for (let l = 0; l < width; l++) mean[l]! += sums[c * width + l]!;
  }
  const rows = countRows(counts);
  for (let l = 0; l < width; l++) mean[l]! /= rows;
  return mean;
}

/** Rows of all classes together. */
export function countRows(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0);
}

const SKIP = -1;

/** The class that a row counts for, or SKIP. */
type RowClass = (batch: Batch, label: number, row: number) => number;

class ClassSumReducer implements Reducer<ClassSums> {
  readonly #classes: number;
  readonly #width: number;
  readonly #counts: Float64Array;
  /** Sums of the block being read, and of the one before: the leaves of the tree. */
  readonly #block: RowSums;
  readonly #tree: SumTree;
  /** The class that each row of a batch counts for, or SKIP. */
  readonly #groups = new Int32Array(BATCH_ROWS);
  readonly #classOf: RowClass;

  constructor({ head, totalRows }: ReducerContext, classOf: RowClass) {
    this.#classes = head.classes;
    this.#width = head.width;
    this.#counts = new Float64Array(head.classes);
    this.#block = createRowSums(head.classes, head.width);
    this.#tree = new SumTree(
      head.classes * head.width,
      blockCount(totalRows, head.classes),
      head.classes,
      this.#block.sums,
    );
    this.#classOf = classOf;
  }

  add(batch: Batch): void {
    for (let row = 0; row < batch.rows; row++) {
      const label = batch.labels[row]!;
      if (label < 0) throw missingLabel(batch.firstRow + row);
      const c = this.#classOf(batch, label, row);
      this.#groups[row] = c;
      if (c === SKIP) continue;
      this.#counts[c]! += 1;
      this.#tree.mark(c);
    }
    this.#block.add(batch.features, batch.rows, this.#groups);
  }

  endBlock(index: number): void {
    this.#tree.endBlock(index);
    this.#block.begin(this.#tree.leafIndex);
  }

  merge(saved: Tensors): void {
    const { counts } = saved;
    if (counts?.dtype !== 'F64' || counts.data.length !== this.#classes) {
      throw new HimplosError('bad-input', `class sums: expected ${this.#classes} counts, got another state`, {
        hint: 'merge partial results of one calibration only',
      });
    }
    this.#tree.merge(saved);
    // Counts are whole numbers below 2^53: their sum is exact in any order.
    for (let c = 0; c < this.#classes; c++) this.#counts[c]! += counts.data[c]!;
  }

  save(): Tensors {
    return { counts: f64(this.#counts.slice(), this.#classes), ...this.#tree.save() };
  }

  result(): ClassSums {
    return {
      classes: this.#classes,
      width: this.#width,
      counts: this.#counts.slice(),
      sums: this.#tree.total(),
    };
  }
}

function missingLabel(row: number): HimplosError {
  return new HimplosError('bad-input', `training row ${row}: expected a class label, got none`, {
    hint: 'give labels with the training features, or choose a method that needs none, such as energy',
  });
}
