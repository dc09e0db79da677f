import { HimplosError } from '../../shared/errors.ts';
import type { Head } from '../../shared/methods/contract.ts';
import type { Reducer, Statistic } from '../../shared/statistics/contract.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { type MergedPasses, mergedIdentity } from './merged-passes.ts';
import { type MergedRows, mergeRows, readRowHeaders } from './merged-rows.ts';
import { readPartialHeader, type StoredPartial } from './partial-file.ts';
import { listShards, mergedKey, requireAllShards, shardIdentity } from './partial-keys.ts';
import { digestOf, type Plan, stampOf } from './plan.ts';
import { mergeStates, reduceCalibration, writeStates } from './reduce-shard.ts';

/** What merging works from. */
export interface PassWork {
  readonly plan: Plan;
  readonly head: Head;
  readonly store: ObjectStore;
  /** The passes that are stored merged already. */
  readonly merged: MergedPasses;
  /** Where rows may be put for the time being. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Whether partials that are missing end it instead of being an error. */
  readonly isPatient: boolean;
}

/** What {@link advancePasses} leaves beside a fit that has gone on. */
export interface Advanced {
  /** The rows of all shards; undefined where some are missing. */
  readonly rows: (() => Promise<MergedRows>) | undefined;
  /** Stores the passes that were merged just now, for those who come later. */
  readonly keep: () => Promise<void>;
}

/**
 * Merges every pass that all shards have delivered, one after another, and feeds the fit with them.
 * Throws `bad-input` naming what is foreign, duplicated or damaged, and, unless patient, what is missing.
 */
export async function advancePasses(work: PassWork): Promise<Advanced> {
  const { plan, store, merged, folder, signal, isPatient } = work;
  const { fit } = merged;
  const unsaved: (() => Promise<void>)[] = [];
  const keep = async () => {
    for (const save of unsaved) await save();
  };
  const delivered = await listShards(store, 0, plan.shards, signal);
  if (isPatient && delivered.size < plan.shards) return { rows: undefined, keep };
  const objects = requireAllShards(store, 0, plan.shards, delivered);
  const headers = await readRowHeaders(store, plan, objects, signal);
  const rowsDigest = digestOf(headers.map(({ document }) => document.sha256));
  if (merged.rowsDigests.some((digest) => digest !== rowsDigest)) throw otherRows(store);
  let merging: Promise<MergedRows> | undefined;
  const rows = () => {
    merging ??= mergeRows(store, plan, headers, folder, signal);
    return merging;
  };
  while (fit.state.pass !== undefined) {
    const { pass, statistics } = fit.state;
    const reducers = await mergePass(pass, statistics, { ...work, headers, rows });
    if (reducers === undefined) break;
    const identity = { ...mergedIdentity(pass, stampOf(plan)), rowsDigest };
    unsaved.push(() => writeStates(store, mergedKey(pass), identity, statistics, reducers, signal));
    fit.resume(new Map([...reducers].map(([key, reducer]) => [key, reducer.save()])));
  }
  return { rows, keep };
}

type Delivered = PassWork & {
  readonly headers: readonly StoredPartial[];
  readonly rows: () => Promise<MergedRows>;
};

/** One pass of all shards; undefined when not all have delivered it, and that is no error. */
async function mergePass(
  pass: number,
  statistics: readonly Statistic<unknown>[],
  work: Delivered,
): Promise<ReadonlyMap<string, Reducer<unknown>> | undefined> {
  const ofTrain = statistics.filter(({ over }) => over === 'train');
  const ofCalibration = statistics.filter(({ over }) => over === 'calibration');
  const { store, plan, signal, isPatient } = work;
  const reducers = new Map<string, Reducer<unknown>>();
  if (ofTrain.length > 0) {
    const delivered = await listShards(store, pass, plan.shards, signal);
    // After the first pass, none at all means that the shards were not asked for this one yet.
    if (delivered.size === 0 && pass > 1) return undefined;
    if (isPatient && delivered.size < plan.shards) return undefined;
    requireAllShards(store, pass, plan.shards, delivered);
    for (const [key, reducer] of await mergeTraining(pass, ofTrain, work)) reducers.set(key, reducer);
  }
  if (ofCalibration.length > 0) {
    const { calibration } = (await work.rows()).sets;
    const reduced = await reduceCalibration(pass, ofCalibration, work.head, calibration, signal);
    for (const [key, reducer] of reduced) reducers.set(key, reducer);
  }
  return reducers;
}

async function mergeTraining(
  pass: number,
  statistics: readonly Statistic<unknown>[],
  { plan, head, store, headers, signal }: Delivered,
): Promise<ReadonlyMap<string, Reducer<unknown>>> {
  const { shards, inputs } = plan;
  const objects = requireAllShards(store, pass, shards, await listShards(store, pass, shards, signal));
  const context = { head, totalRows: inputs.train.samples };
  const reducers = new Map(statistics.map(({ key, create }) => [key, create(context)]));
  const buffer = { bytes: new Uint8Array(0) };
  for (const [shard, object] of objects.entries()) {
    const identity = shardIdentity(pass, shard, stampOf(plan));
    const partial = await readPartialHeader(store, object, identity, signal);
    requireSameRows(partial, headers[shard]!, store);
    await mergeStates(store, partial, statistics, reducers, buffer, signal);
  }
  return reducers;
}

/** Every pass of a shard must have seen the training rows that its digests were taken of. */
function requireSameRows(partial: StoredPartial, rows: StoredPartial, { address }: ObjectStore): void {
  if (partial.document.rowsDigest === rows.document.rowsDigest) return;
  throw new HimplosError(
    'bad-input',
    `${address}: ${partial.key} was made from other training rows than ${rows.key}: the data changed in between`,
    { hint: 'remove both, and run that shard again' },
  );
}

function otherRows({ address }: ObjectStore): HimplosError {
  return new HimplosError(
    'bad-input',
    `${address}: a pass was merged from other rows than the shards have now`,
    { hint: 'a shard ran again on other data: run all of them again, with a new --partials' },
  );
}
