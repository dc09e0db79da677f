import type { Detector, Head } from '../../shared/methods/contract.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { readPartialHeader } from './partial-file.ts';
import { findObject, mergedKey } from './partial-keys.ts';
import { type Plan, type Stamp, stampOf } from './plan.ts';
import { readStates } from './reduce-shard.ts';
import { type PassStates, type Replay, replayFit } from './replay-fit.ts';

/** How far a calibration is, from the passes merged so far. */
export interface MergedPasses {
  /** What each pass says of the rows it is of. */
  readonly rowsDigests: readonly string[];
  readonly passes: readonly PassStates[];
  /** The fit, replayed on them. */
  readonly replay: Replay;
}

/** Reads every merged pass that the method's fit asks for. Throws `bad-input` naming one that is wrong. */
export async function readMergedPasses(
  store: ObjectStore,
  plan: Plan,
  detector: Detector,
  head: Head,
  signal: AbortSignal,
): Promise<MergedPasses> {
  const passes: PassStates[] = [];
  const rowsDigests: string[] = [];
  for (;;) {
    const replay = replayPlan(plan, detector, head, passes);
    if (replay.pass === undefined) return { rowsDigests, passes, replay };
    const object = await findObject(store, mergedKey(replay.pass), signal);
    if (object === undefined) return { rowsDigests, passes, replay };
    const identity = mergedIdentity(replay.pass, stampOf(plan));
    const header = await readPartialHeader(store, object, identity, signal);
    rowsDigests.push(header.document.rowsDigest);
    passes.push(await readStates(store, header, replay.statistics, signal));
  }
}

/** The fit of a plan's method, as far as the merged passes take it. */
export function replayPlan(
  { inputs }: Plan,
  detector: Detector,
  head: Head,
  passes: readonly PassStates[],
  warn: (sentence: string) => void = () => {},
): Replay {
  const totalRows = { train: inputs.train.samples, calibration: inputs.calibration.samples };
  return replayFit({ detector, head, totalRows, passes, warn });
}

export function mergedIdentity(pass: number, stamp: Stamp) {
  return { kind: 'merged', pass, shard: null, stamp } as const;
}
