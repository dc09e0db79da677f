import { HimplosError } from '../errors.ts';
import type { Head } from '../methods/contract.ts';
import { BatchCutter, type SourceRows } from './batch-cutter.ts';
import { blockCount, blockRows, type Reducer, type Statistic } from './contract.ts';

/** How far a pass is. */
export interface PassProgress {
  /** Counted from 1. How many there will be is not known beforehand. */
  readonly pass: number;
  readonly over: 'train' | 'calibration';
  /** Rows read so far. */
  readonly rows: number;
  /** Rows of the source, counting those that will be skipped. */
  readonly totalRows: number;
}

/** What {@link reduceRows} works from. */
export interface PassOptions {
  readonly statistics: readonly Statistic<unknown>[];
  readonly head: Head;
  readonly over: 'train' | 'calibration';
  readonly pass: number;
  readonly totalRows: number;
  /** The part of the source to read: blocks `first` up to, not including, `end`. All of them by default. */
  readonly blocks?: { readonly first: number; readonly end: number };
  readonly openPass: (over: 'train' | 'calibration') => AsyncIterable<SourceRows>;
  readonly onProgress?: (progress: PassProgress) => void;
  readonly signal?: AbortSignal;
}

/** What a pass gives. */
export interface ReducedRows {
  /** Rows read. */
  readonly rows: number;
  /** By the statistic's key. */
  readonly reducers: ReadonlyMap<string, Reducer<unknown>>;
  /** Statistics that the rows do not allow, by key, and why. */
  readonly failures: ReadonlyMap<string, HimplosError>;
}

/**
 * One pass: feeds the rows of a source, or of a run of its blocks, to a reducer for each statistic. Throws
 * `bad-input` for malformed rows or none at all, and `interrupted`.
 */
export async function reduceRows(options: PassOptions): Promise<ReducedRows> {
  const { statistics, head, over, pass, totalRows, openPass, onProgress, signal } = options;
  const { first, end } = options.blocks ?? { first: 0, end: blockCount(totalRows, head.classes) };
  const reducers = new Map(statistics.map(({ key, create }) => [key, create({ head, totalRows })]));
  const failures = new Map<string, HimplosError>();
  const tell = (what: (reducer: Reducer<unknown>) => void) => {
    for (const [key, reducer] of reducers) {
      try {
        what(reducer);
      } catch (error) {
        if (!(error instanceof HimplosError)) throw error;
        failures.set(key, error);
        reducers.delete(key);
      }
    }
  };
  const range = {
    totalRows,
    firstRow: first * blockRows(totalRows, head.classes),
    endRow: Math.min(totalRows, end * blockRows(totalRows, head.classes)),
  };
  const cutter = new BatchCutter(head, range, {
    add: (batch) => tell((reducer) => reducer.add(batch)),
    endBlock: (index) => tell((reducer) => reducer.endBlock(index)),
  });
  let rows = 0;
  for await (const portion of openPass(over)) {
    if (signal?.aborted) {
      throw new HimplosError('interrupted', `reading the ${over} data was interrupted`, {
        cause: signal.reason,
      });
    }
    cutter.push(portion);
    rows += portion.rows;
    onProgress?.({ pass, over, rows, totalRows });
  }
  if (rows === 0 && first === 0 && end === blockCount(totalRows, head.classes)) {
    throw new HimplosError('bad-input', `the ${over} data: expected ${totalRows} rows, got none`, {
      hint: 'look at the warnings above: every row was skipped',
    });
  }
  cutter.finish();
  return { rows, reducers, failures };
}
