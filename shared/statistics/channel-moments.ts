import { f64, type Tensors } from '../tensor.ts';
import { type Batch, blockCount, type Reducer, type ReducerContext, type Statistic } from './contract.ts';
import { takeRowCount } from './saved-rows.ts';
import { SumTree } from './sum-tree.ts';

/** Mean and spread of each channel over all rows, labelled or not. */
export interface ChannelMoments {
  readonly rows: number;
  /** L means. */
  readonly mean: Float64Array;
  /** L standard deviations of the population (ddof 0). */
  readonly std: Float64Array;
}

/** Per-channel mean and standard deviation of the training features, from float64 sums of h and h². */
export const channelMoments: Statistic<ChannelMoments> = {
  key: 'channel-moments',
  over: 'train',
  create: (context) => new ChannelMomentReducer(context),
};

class ChannelMomentReducer implements Reducer<ChannelMoments> {
  readonly #width: number;
  /** L sums of h, then L sums of h². */
  readonly #tree: SumTree;
  #rows = 0;

  constructor({ head, totalRows }: ReducerContext) {
    this.#width = head.width;
    this.#tree = new SumTree(2 * head.width, blockCount(totalRows, head.classes));
  }

  add({ features, rows }: Batch): void {
    const sums = this.#tree.leaf;
    const width = this.#width;
    for (let row = 0; row < rows; row++) {
      const at = row * width;
      for (let l = 0; l < width; l++) {
        const value = features[at + l]!;
        sums[l]! += value;
        // The square of a float32 is exact in float64, so only the additions round.
        sums[width + l]! += value * value;
      }
    }
    this.#rows += rows;
  }

  endBlock(index: number): void {
    this.#tree.endBlock(index);
  }

  merge(saved: Tensors): void {
    this.#rows += takeRowCount(saved, 'channel moments');
    this.#tree.merge(saved);
  }

  save(): Tensors {
    return { rows: f64(Float64Array.of(this.#rows), 1), ...this.#tree.save() };
  }

  result(): ChannelMoments {
    const sums = this.#tree.total();
    const rows = this.#rows;
    const mean = sums.subarray(0, this.#width).map((sum) => sum / rows);
    // Rounding can take the variance of a constant channel below zero.
    const std = mean.map((m, l) => Math.sqrt(Math.max(0, sums[this.#width + l]! / rows - m * m)));
    return { rows, mean, std };
  }
}
