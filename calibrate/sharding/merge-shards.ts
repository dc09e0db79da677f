import { fingerprintHead } from '../../shared/artifact/detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Detector } from '../../shared/methods/contract.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { type Calibrated, calibrateDetector } from '../calibration/calibrate-detector.ts';
import { type CalibrationData, warnAboutData } from '../calibration/gather-inputs.ts';
import { requireOneHead } from '../calibration/open-inputs.ts';
import { readHead } from '../calibration/read-head.ts';
import { openWorkspace } from '../features/workspace.ts';
import type { Io } from '../io.ts';
import { findHead } from '../onnx/find-head.ts';
import { readModel } from '../onnx/read-model.ts';
import { advancePasses } from './advance-passes.ts';
import { readMergedPasses } from './merged-passes.ts';
import { type Plan, readPlan } from './plan.ts';

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
  const { head, classifier } = await openHead(options, plan, store);
  const detector = findDetector(plan.parameters.method);
  using workspace = await openWorkspace(undefined);
  const { folder } = workspace;
  const merged = await readMergedPasses(store, plan, detector, head, signal);
  const { rows, keep } = await advancePasses({ plan, head, store, merged, folder, signal, isPatient: false });
  const { state, warnings } = merged.fit;
  if (state.pass !== undefined) {
    await keep();
    return { nextPass: state.pass };
  }

  const { sets, overlap } = await rows!();
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
    warnings.forEach(warn);
    return state.tensors;
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
