import { HimplosError } from '../../shared/errors.ts';
import type { Head } from '../../shared/methods/contract.ts';
import type { SourceRows } from '../../shared/statistics/batch-cutter.ts';
import type { Reducer, Statistic } from '../../shared/statistics/contract.ts';
import { reduceRows } from '../../shared/statistics/reduce-rows.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { labelledRows } from '../calibration/calibrate-detector.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import type { SampleRange } from '../sources/contract.ts';
import type { PartialIdentity } from './partial-document.ts';
import {
  inMemory,
  type ReadBuffer,
  readPartial,
  type StoredPartial,
  type StreamedTensor,
  writePartial,
} from './partial-file.ts';
import type { PassStates } from './replayed-fit.ts';

/** A shard's share of one pass over the training data. */
export interface ShardPass {
  readonly statistics: readonly Statistic<unknown>[];
  readonly head: Head;
  /** Samples of the whole source. */
  readonly totalRows: number;
  readonly blocks: SampleRange;
  readonly rows: () => AsyncIterable<SourceRows>;
}

/**
 * Sums up a shard's rows and writes the state of every statistic; resolves to the reducers. Throws what a statistic says
 * of rows it cannot use.
 */
export async function writeShardPass(
  store: ObjectStore,
  key: string,
  identity: PartialIdentity & { readonly rowsDigest: string },
  { statistics, head, totalRows, blocks, rows }: ShardPass,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Reducer<unknown>>> {
  const { reducers, failures } = await reduceRows({
    statistics,
    head,
    over: 'train',
    pass: identity.pass,
    totalRows,
    blocks,
    openPass: rows,
    signal,
  });
  for (const failure of failures.values()) throw failure;
  await writeStates(store, key, identity, statistics, reducers, signal);
  return reducers;
}

/** Sums up the calibration set, which no shards share. Throws what a statistic says of rows it cannot use. */
export async function reduceCalibration(
  pass: number,
  statistics: readonly Statistic<unknown>[],
  head: Head,
  calibration: FeatureSet,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Reducer<unknown>>> {
  const { reducers, failures } = await reduceRows({
    statistics,
    head,
    over: 'calibration',
    pass,
    totalRows: calibration.samples,
    openPass: () => labelledRows(calibration),
    signal,
  });
  for (const failure of failures.values()) throw failure;
  return reducers;
}

/** Writes the states of reducers, which may be large: nothing is copied. */
export function writeStates(
  store: ObjectStore,
  key: string,
  identity: PartialIdentity & { readonly rowsDigest: string },
  statistics: readonly Statistic<unknown>[],
  reducers: ReadonlyMap<string, Reducer<unknown>>,
  signal: AbortSignal,
): Promise<void> {
  const tensors: Record<string, StreamedTensor> = {};
  for (const [position, statistic] of statistics.entries()) {
    for (const [name, tensor] of Object.entries(reducers.get(statistic.key)!.save())) {
      tensors[`${position}.${name}`] = inMemory(tensor);
    }
  }
  const document = { ...identity, statistics: statistics.map((statistic) => statistic.key), skipped: [] };
  return writePartial(store, key, document, tensors, signal);
}

/** Reads the states in a partial, valid until the buffer is used again. Throws `bad-input` naming it when it is damaged or of other statistics. */
export async function readStates(
  store: ObjectStore,
  partial: StoredPartial,
  expected: readonly Statistic<unknown>[],
  buffer: ReadBuffer,
  signal: AbortSignal,
): Promise<PassStates> {
  const { document, key } = partial;
  const keys = expected.map((statistic) => statistic.key);
  if (document.statistics.join('\n') !== keys.join('\n')) {
    throw new HimplosError(
      'bad-input',
      `${store.address}: ${key} is foreign: it holds the statistics ${document.statistics.join(', ')}, expected ${keys.join(', ')}`,
      { hint: 'remove it and run that shard again' },
    );
  }
  const tensors = Object.entries(await readPartial(store, partial, buffer, signal));
  return new Map(
    keys.map((statistic, position) => {
      const own = tensors.filter(([name]) => name.startsWith(`${position}.`));
      return [
        statistic,
        Object.fromEntries(own.map(([name, tensor]) => [name.slice(`${position}.`.length), tensor])),
      ];
    }),
  );
}

/** Adds the states in a partial to reducers. Throws `bad-input` naming it when they do not belong there. */
export async function mergeStates(
  store: ObjectStore,
  partial: StoredPartial,
  statistics: readonly Statistic<unknown>[],
  reducers: ReadonlyMap<string, Reducer<unknown>>,
  buffer: ReadBuffer,
  signal: AbortSignal,
): Promise<void> {
  for (const [key, state] of await readStates(store, partial, statistics, buffer, signal)) {
    try {
      reducers.get(key)!.merge(state);
    } catch (cause) {
      if (!(cause instanceof HimplosError)) throw cause;
      throw new HimplosError('bad-input', `${store.address}: ${partial.key}: ${cause.message}`, {
        hint: 'remove it and run that shard again',
        cause,
      });
    }
  }
}
