import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fingerprintHead } from '../../shared/artifact/detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Detector } from '../../shared/methods/contract.ts';
import type { Reducer, Statistic } from '../../shared/statistics/contract.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { openStore } from '../../shared/store/open-store.ts';
import { type FitDetector, fitFromSets, labelledRows } from '../calibration/calibrate-detector.ts';
import type { CalibrationData } from '../calibration/gather-inputs.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import type { SampleRange } from '../sources/contract.ts';
import { toolVersion } from '../tool-version.ts';
import type { PartialIdentity } from './partial-document.ts';
import { type ReadBuffer, readPartialHeader } from './partial-file.ts';
import { findObject, shardIdentity, shardKey } from './partial-keys.ts';
import { digestOf, type Stamp } from './plan.ts';
import { readStates, reduceCalibration, writeShardPass } from './reduce-shard.ts';
import { type PassStates, ReplayedFit } from './replayed-fit.ts';
import { MAX_SHARDS } from './shard-index.ts';
import { partOfShard } from './shard-range.ts';

/** Bytes of features in a part: what is kept of it is 17 to 100 MB with 2048 channels and 1000 classes. */
const PART_BYTES = 4 * 2 ** 30;

/**
 * Fits as a single process does, and keeps in a folder what it has summed up, part by part, so that a run that was
 * killed goes on after its last whole part. Parts are what that many shards would do, so the result is the same, bit for
 * bit. Training sets of one part are just read.
 * @param folder for `sums-…`, a folder a calibration, which goes away when the fit is done
 */
export function fitInParts(folder: string, partBytes: number = PART_BYTES): FitDetector {
  return async (detector, data, options) => {
    const { train, calibration } = data.sets;
    const count = Math.min(MAX_SHARDS, Math.ceil((4 * train.rows * train.width) / partBytes));
    if (count < 2) return fitFromSets(detector, data, options);
    const { warn, signal } = options;
    const stamp = await stampOfData(detector, data, count);
    const path = join(folder, `sums-${digestOf(stamp).slice(0, 32)}`);
    const store = await openStore(path);
    const totalRows = { train: train.samples, calibration: calibration.samples };
    const fit = new ReplayedFit({ detector, head: data.head, totalRows });
    while (fit.state.pass !== undefined) {
      const { pass, statistics } = fit.state;
      fit.resume(await sumUp(pass, statistics, data, { stamp, store, signal }));
    }
    fit.warnings.forEach(warn);
    await rm(path, { recursive: true, force: true });
    return fit.state.tensors;
  };
}

interface Parts {
  /** Its `shards` is the number of parts. */
  readonly stamp: Stamp;
  readonly store: ObjectStore;
  readonly signal: AbortSignal;
}

/** One pass: computes the parts that are not there yet, and merges all of them. */
async function sumUp(
  pass: number,
  statistics: readonly Statistic<unknown>[],
  { head, sets: { train, calibration } }: CalibrationData,
  { stamp, store, signal }: Parts,
): Promise<PassStates> {
  const ofTrain = statistics.filter(({ over }) => over === 'train');
  const ofCalibration = statistics.filter(({ over }) => over === 'calibration');
  const context = { head, totalRows: train.samples };
  const reducers = new Map<string, Reducer<unknown>>(
    ofTrain.map(({ key, create }) => [key, create(context)]),
  );
  const buffer = { bytes: new Uint8Array(0) };
  for (let index = 0; ofTrain.length > 0 && index < stamp.shards; index++) {
    const shard = { index, count: stamp.shards };
    const key = shardKey(pass, shard);
    const identity = { ...shardIdentity(pass, index, stamp), rowsDigest: train.digest };
    const kept = await readKept(store, key, identity, ofTrain, buffer, signal);
    if (kept !== undefined) {
      for (const [name, state] of kept) reducers.get(name)!.merge(state);
      continue;
    }
    const { blocks, samples } = partOfShard(train.samples, head.classes, shard);
    const rows = () => labelledRows(train, rowsAt(train, samples));
    const work = { statistics: ofTrain, ...context, blocks, rows };
    const own = await writeShardPass(store, key, identity, work, signal);
    for (const [name, reducer] of own) reducers.get(name)!.merge(reducer.save());
  }
  if (ofCalibration.length > 0) {
    const reduced = await reduceCalibration(pass, ofCalibration, head, calibration, signal);
    for (const [key, reducer] of reduced) reducers.set(key, reducer);
  }
  return new Map([...reducers].map(([key, reducer]) => [key, reducer.save()]));
}

/**
 * What an earlier run has kept of a part; undefined where that is not there, or not as it was written, or was removed by
 * a run of the same calibration that is done: then the part is summed up anew.
 */
async function readKept(
  store: ObjectStore,
  key: string,
  identity: PartialIdentity,
  statistics: readonly Statistic<unknown>[],
  buffer: ReadBuffer,
  signal: AbortSignal,
): Promise<PassStates | undefined> {
  try {
    const object = await findObject(store, key, signal);
    if (object === undefined) return undefined;
    const partial = await readPartialHeader(store, object, identity, signal);
    return await readStates(store, partial, statistics, buffer, signal);
  } catch (error) {
    const isUseless =
      error instanceof HimplosError && (error.code === 'bad-input' || error.code === 'not-found');
    if (isUseless) return undefined;
    throw error;
  }
}

/** The rows of a set that come from a range of its samples. */
function rowsAt({ rows, positionOf }: FeatureSet, { first, end }: SampleRange): SampleRange {
  const rowAt = (position: number): number => {
    let [low, high] = [0, rows];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (positionOf(middle) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return { first: rowAt(first), end: rowAt(end) };
}

/** Names everything that sums depend on. */
async function stampOfData(
  detector: Detector,
  { head, sets }: CalibrationData,
  parts: number,
): Promise<Stamp> {
  const inputs = [sets.train, sets.calibration].map(({ digest, samples, rows, positionOf }) => {
    // Which samples were passed over decides what is added to what.
    const positions = Int32Array.from({ length: rows }, (_, row) => positionOf(row));
    return { digest, samples, positions: createHash('sha256').update(positions).digest('hex') };
  });
  return {
    toolVersion,
    shards: parts,
    head: digestOf(await fingerprintHead(head)),
    parameters: digestOf(detector.spec),
    inputs: digestOf(inputs),
  };
}
