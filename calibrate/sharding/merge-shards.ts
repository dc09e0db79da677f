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
  const listed = requireAllShards(store, 0, shards, await listShards(store, 0, shards, signal));
  const headers = await readRowHeaders(store, plan, listed, signal);
  using workspace = await openWorkspace(undefined);
  let merging: Promise<MergedRows> | undefined;
  const rows = () => {
    merging ??= mergeRows(store, plan, headers, workspace.folder, signal);
    return merging;
  };
  const { passes, replay, unsaved } = await advancePasses({ plan, detector, head, store, headers, rows, signal });
  if (replay.pass !== undefined) {
    for (const keep of unsaved) await keep();
    return { nextPass: replay.pass };
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
