import { HimplosError } from '../errors.ts';
import { argmax } from '../maths/logit-sums.ts';
import { f64, type Tensors } from '../tensor.ts';
import { type Batch, blockCount, type Reducer, type ReducerContext, type Statistic } from './contract.ts';
import { takeRowCount } from './saved-rows.ts';
import { SumTree } from './sum-tree.ts';

/** Derivatives of the negative log-likelihood of tempered logits, one entry for each inverse temperature. */
export interface NllSlopes {
  /** dNLL/dβ, averaged over rows; rises with β. */
  readonly slopes: Float64Array;
  /** d²NLL/dβ², not negative. */
  readonly curvatures: Float64Array;
}

/**
 * First and second derivative of the mean of −log softmax(β·f)_y over the labelled calibration rows, for several
 * inverse temperatures β: E_p[f] − f_y and Var_p[f]. Fails on a row without a label.
 */
export function nllSlopes(betas: readonly number[]): Statistic<NllSlopes> {
  return {
    key: `nll-slopes:${betas.join(',')}`,
    over: 'calibration',
    create: (context) => new NllSlopeReducer(context, betas),
  };
}

class NllSlopeReducer implements Reducer<NllSlopes> {
  readonly #classes: number;
  readonly #betas: readonly number[];
  /** A slope and a curvature for each β. */
  readonly #tree: SumTree;
  #rows = 0;

  constructor({ head, totalRows }: ReducerContext, betas: readonly number[]) {
    this.#classes = head.classes;
    this.#betas = betas;
    this.#tree = new SumTree(2 * betas.length, blockCount(totalRows, head.classes));
  }

  add(batch: Batch): void {
    const classes = this.#classes;
    const sums = this.#tree.leaf;
    const logits = batch.logits();
    for (let row = 0; row < batch.rows; row++) {
      const label = batch.labels[row]!;
      if (label < 0) throw missingLabel(batch.firstRow + row);
      const at = row * classes;
      const largest = logits[at + argmax(logits, at, classes)]!;
      const ofLabel = logits[at + label]! - largest;
      for (let i = 0; i < this.#betas.length; i++) {
        const beta = this.#betas[i]!;
        let [sum, first, second] = [0, 0, 0];
        for (let k = at; k < at + classes; k++) {
          const below = logits[k]! - largest;
          const power = Math.exp(beta * below);
          sum += power;
          first += power * below;
          second += power * below * below;
        }
        const mean = first / sum;
        sums[2 * i]! += mean - ofLabel;
        sums[2 * i + 1]! += Math.max(0, second / sum - mean * mean);
      }
    }
    this.#rows += batch.rows;
  }

  endBlock(index: number): void {
    this.#tree.endBlock(index);
  }

  merge(saved: Tensors): void {
    this.#rows += takeRowCount(saved, 'likelihood slopes');
    this.#tree.merge(saved);
  }

  save(): Tensors {
    return { rows: f64(Float64Array.of(this.#rows), 1), ...this.#tree.save() };
  }

  result(): NllSlopes {
    const means = this.#tree.total().map((sum) => sum / this.#rows);
    return {
      slopes: means.filter((_, i) => i % 2 === 0),
      curvatures: means.filter((_, i) => i % 2 === 1),
    };
  }
}

function missingLabel(row: number): HimplosError {
  return new HimplosError('bad-input', `calibration row ${row}: expected a class label, got none`, {
    hint: 'give labels with the calibration data, or choose a method that needs none, such as msp',
  });
}
