import { fingerprintHead } from '../../shared/artifact/detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Detector, Head } from '../../shared/methods/contract.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import type { Reducer, Statistic } from '../../shared/statistics/contract.ts';
import { reduceRows } from '../../shared/statistics/reduce-rows.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { type Calibrated, calibrateDetector, labelledRows } from '../calibration/calibrate-detector.ts';
import { type CalibrationData, warnAboutData } from '../calibration/gather-inputs.ts';
import { requireOneHead } from '../calibration/open-inputs.ts';
import { readHead } from '../calibration/read-head.ts';
import { openWorkspace } from '../features/workspace.ts';
import type { Io } from '../io.ts';
import { findHead } from '../onnx/find-head.ts';
import { readModel } from '../onnx/read-model.ts';
import { mergedIdentity, readMergedPasses, replayPlan } from './merged-passes.ts';
import { type MergedRows, mergeRows, readRowHeaders } from './merged-rows.ts';
import { readPartialHeader, type StoredPartial } from './partial-file.ts';
import { listShards, mergedKey, missingShards, shardIdentity } from './partial-keys.ts';
import { digestOf, type Plan, readPlan, stampOf } from './plan.ts';
import { readStates, writeStates } from './reduce-shard.ts';
import type { PassStates } from './replay-fit.ts';

/** What a merge works from. */
export interface MergeOptions {
  readonly store: ObjectStore;
  readonly model?: string;
  readonly head?: string;
}

/** A detector made of merged partials. */
export interface MergedDetector {
  readonly detector: Detector;
  readonly calibrated: Calibrated;
  readonly data: CalibrationData;
}

/**
 * Merges what the shards have delivered. Where the method wants another pass over the training data, that is the end;
 * otherwise scores the held-out sets as a single process does, and hands the detector to `save`.
 * @returns the pass (from 1) that the shards have to run next, or undefined when all is done
 * Throws `bad-input` naming every shard that is missing, foreign, duplicated or damaged.
 */
export async function mergeShards(
  options: MergeOptions,
  io: Io,
  save: (merged: MergedDetector) => Promise<void>,
): Promise<{ readonly nextPass: number | undefined }> {
  const { store } = options;
  const { signal } = io;
  const plan = await readPlan(store, signal);
  const { shards } = plan;
  const { head, classifier } = await openHead(options, plan, store);
  const detector = findDetector(plan.parameters.method);
  const listed = await listShards(store, 0, shards, signal);
  if (listed === undefined) throw missingShards(store, 0, [...Array(shards).keys()], shards);
  const headers = await readRowHeaders(store, plan, listed, signal);
  using workspace = await openWorkspace(undefined);
  let merging: Promise<MergedRows> | undefined;
  const rows = () => {
    merging ??= mergeRows(store, plan, headers, workspace.folder, signal);
    return merging;
  };

  const known = await readMergedPasses(store, plan, detector, head, signal);
  const rowsDigest = digestOfRows(headers);
  if (known.rowsDigests.some((digest) => digest !== rowsDigest)) {
    throw new HimplosError(
      'bad-input',
      `${store.address}: a pass was merged from other rows than the shards have now`,
      { hint: 'a shard ran again on other data: run all of them again, with a new --partials' },
    );
  }
  const passes = [...known.passes];
  for (;;) {
    const replay = replayPlan(plan, detector, head, passes);
    if (replay.pass === undefined) break;
    const work = { plan, head, store, headers, rows, signal };
    const states = await mergePass(replay.pass, replay.statistics, work);
    if (states === undefined) return { nextPass: replay.pass };
    passes.push(states);
  }

  const { sets, overlap } = await rows();
  const { tpr, name, allowMissingClasses, allowOverlap, preprocessing, classNames } = plan.parameters;
  const data: CalibrationData = {
    head,
    classifier,
    model: plan.head.model,
    preprocessing,
    classNames,
    sets,
    warnings: warnAboutData(overlap, sets, allowOverlap),
  };
  const choice = { detector, allowMissingClasses, tpr, name };
  const calibrated = await calibrateDetector(choice, data, io, async (_, __, { warn }) => {
    return replayPlan(plan, detector, head, passes, warn).tensors!;
  });
  await save({ detector, calibrated, data });
  return { nextPass: undefined };
}

interface PassWork {
  readonly plan: Plan;
  readonly head: Head;
  readonly store: ObjectStore;
  readonly headers: readonly StoredPartial[];
  readonly rows: () => Promise<MergedRows>;
  readonly signal: AbortSignal;
}

/** Merges one pass and keeps the result; undefined when no shard has delivered it yet. */
async function mergePass(
  pass: number,
  statistics: readonly Statistic<unknown>[],
  work: PassWork,
): Promise<PassStates | undefined> {
  const { plan, head, store, signal } = work;
  const { train, calibration } = plan.inputs;
  const ofTrain = statistics.filter(({ over }) => over === 'train');
  const reducers = new Map<string, Reducer<unknown>>();
  if (ofTrain.length > 0) {
    const partials = await listShards(store, pass, plan.shards, signal);
    if (partials === undefined) return undefined;
    for (const { key, create } of ofTrain) reducers.set(key, create({ head, totalRows: train.samples }));
    for (const [shard, object] of partials.entries()) {
      const partial = await readPartialHeader(
        store,
        object,
        shardIdentity(pass, shard, stampOf(plan)),
        signal,
      );
      requireSameRows(partial, work.headers[shard]!, store);
      const states = await readStates(store, partial, ofTrain, signal);
      for (const [key, state] of states)
        mergeState(reducers.get(key)!, state, `${store.address}: ${object.key}`);
    }
  }
  const ofCalibration = statistics.filter(({ over }) => over === 'calibration');
  if (ofCalibration.length > 0) {
    const { sets } = await work.rows();
    const reduced = await reduceRows({
      statistics: ofCalibration,
      head,
      over: 'calibration',
      pass,
      totalRows: calibration.samples,
      openPass: () => labelledRows(sets.calibration),
      signal,
    });
    for (const failure of reduced.failures.values()) throw failure;
    for (const [key, reducer] of reduced.reducers) reducers.set(key, reducer);
  }
  const identity = { ...mergedIdentity(pass, stampOf(plan)), rowsDigest: digestOfRows(work.headers) };
  await writeStates(store, mergedKey(pass), identity, statistics, reducers, signal);
  return new Map([...reducers].map(([key, reducer]) => [key, reducer.save()]));
}

/** Names the rows of all shards. */
function digestOfRows(headers: readonly StoredPartial[]): string {
  return digestOf(headers.map(({ document }) => document.sha256));
}

function mergeState(
  reducer: Reducer<unknown>,
  state: Parameters<typeof reducer.merge>[0],
  where: string,
): void {
  try {
    reducer.merge(state);
  } catch (cause) {
    if (!(cause instanceof HimplosError)) throw cause;
    throw new HimplosError('bad-input', `${where}: ${cause.message}`, {
      hint: 'remove it and run that shard again',
      cause,
    });
  }
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

async function openHead(options: MergeOptions, plan: Plan, { address }: ObjectStore) {
  const { model: expected, fingerprint } = plan.head;
  requireOneHead(options);
  if ((options.model === undefined) !== (expected === null)) {
    throw new HimplosError(
      'bad-usage',
      `${address}: the shards ran with ${expected === null ? '--head' : `--model (${expected.name})`}, got ${expected === null ? '--model' : '--head'}`,
      { hint: 'give merge what the shards had' },
    );
  }
  const { head, classifier } =
    options.model === undefined
      ? { head: await readHead(options.head!), classifier: undefined }
      : await openModel(options.model, plan);
  const isSame =
    (await fingerprintHead(head)) === fingerprint && classifier?.model.digest === expected?.digest;
  if (isSame) return { head, classifier };
  throw new HimplosError(
    'bad-input',
    `${options.model ?? options.head} is not the ${expected === null ? 'head' : 'model'} that the shards ran with`,
    { hint: 'give merge the very file that the shards had' },
  );
}

async function openModel(path: string, { parameters }: Plan) {
  const model = await readModel(path);
  const { headInput } = parameters;
  const found = findHead(model, headInput === null ? {} : { headInput });
  return { head: found.head, classifier: { model, found } };
}
