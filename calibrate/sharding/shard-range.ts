import { blockCount, blockRows } from '../../shared/statistics/contract.ts';
import type { SampleRange } from '../sources/contract.ts';
import type { Shard } from './shard-index.ts';

/** A shard's part of a source. */
export interface ShardPart {
  /** Blocks of statistics, from `first` up to, not including, `end`. */
  readonly blocks: SampleRange;
  /** The samples in them. */
  readonly samples: SampleRange;
}

/**
 * The run of whole blocks of a source of `samples` that falls to a shard; empty where there are more shards than blocks.
 * Blocks depend on the numbers of samples and classes alone, so no shard count changes what is added to what.
 * @param classes as for {@link blockRows}
 */
export function partOfShard(samples: number, classes: number, { index, count }: Shard): ShardPart {
  const blocks = blockCount(samples, classes);
  const first = Math.floor((index * blocks) / count);
  const end = Math.floor(((index + 1) * blocks) / count);
  const rows = blockRows(samples, classes);
  return {
    blocks: { first, end },
    samples: { first: Math.min(samples, first * rows), end: Math.min(samples, end * rows) },
  };
}
