import type { Head } from '../methods/contract.ts';
import type { Tensors } from '../tensor.ts';

/**
 * A run of consecutive rows that never crosses a multiple of {@link BATCH_ROWS}, and so no block boundary either.
 * How rows are cut into batches depends on their indices alone, never on how they arrived, so a reducer may add up
 * a batch in any order it likes. Buffers are reused after `add` returns.
 */
export interface Batch {
  /** At least 1, at most {@link BATCH_ROWS}. */
  readonly rows: number;
  /** Global index of the first row, counted over the whole source whatever the sharding. */
  readonly firstRow: number;
  /** rows × L, finite. */
  readonly features: Float32Array;
  /** Class index of each row; −1 where unknown (calibration rows without labels). */
  readonly labels: Int32Array;
  /** rows × C original logits in float64; computed on first use, cached for the batch. */
  readonly logits: () => Float64Array;
}

/** Sizes a reducer is created for. */
export interface ReducerContext {
  readonly head: Head;
  /** Rows of the whole source, the same for every shard. */
  readonly totalRows: number;
}

/**
 * A mergeable summary of rows. For any split of the blocks into shards, merging the shards' `save()`d states
 * gives bit for bit the result of one pass over everything.
 */
export interface Reducer<Result> {
  add(batch: Batch): void;
  /** All rows of block `index` have been added. Called once per block, in order, also for an empty or short one. */
  endBlock(index: number): void;
  /** Adds another shard's saved state. */
  merge(saved: Tensors): void;
  /** The state between blocks, as tensors. */
  save(): Tensors;
  /** The summary of everything added and merged so far; blocks must be complete. */
  result(): Result;
}

/** A request for a summary. Two requests with equal keys are the same and are computed once. */
export interface Statistic<Result> {
  /** Names kind and parameters, e.g. `class-sums` or `quantiles:0.95`. */
  readonly key: string;
  /** Which rows it runs over. */
  readonly over: 'train' | 'calibration';
  readonly create: (context: ReducerContext) => Reducer<Result>;
}

export type StatisticRequest = Readonly<Record<string, Statistic<unknown>>>;
export type StatisticResults = Readonly<Record<string, unknown>>;

type ResultsOf<R extends StatisticRequest> = {
  readonly [K in keyof R]: R[K] extends Statistic<infer Result> ? Result : never;
};

/** One pass: asks the runner for statistics and gives back their results, typed. Use as `yield* collect({...})`. */
export function* collect<R extends StatisticRequest>(
  request: R,
): Generator<StatisticRequest, ResultsOf<R>, StatisticResults> {
  return (yield request) as ResultsOf<R>;
}

/** The most rows in a batch: the smallest block. 128 rows × 2048 float32 are 1 MiB, so a batch stays in cache. */
export const BATCH_ROWS = 128;

/**
 * Rows per block for a source of `totalRows` and a head of `classes`: a power of two from 128, for about 64 blocks of at
 * most 16384 rows, but never fewer than eight rows a class, so that closing a block of class sums costs little beside
 * filling it. Depends on nothing else, so every shard count cuts the same blocks. Larger blocks consist of smaller ones.
 * @param classes C; 0 where rows are only dealt out, and no statistics taken of them
 */
export function blockRows(totalRows: number, classes: number): number {
  let rows = BATCH_ROWS;
  while (rows < 8 * classes || (rows < 16384 && rows * 64 < totalRows)) rows *= 2;
  return rows;
}

/** Blocks of a source of `totalRows`. */
export function blockCount(totalRows: number, classes: number): number {
  return Math.ceil(totalRows / blockRows(totalRows, classes));
}
