import type { Detector, Head } from '../../shared/methods/contract.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { readPartialHeader } from './partial-file.ts';
import { findObject, mergedKey } from './partial-keys.ts';
import { type Plan, type Stamp, stampOf } from './plan.ts';
import { readStates } from './reduce-shard.ts';
import { ReplayedFit } from './replayed-fit.ts';

/** How far a calibration is, from the passes that are stored merged. */
export interface MergedPasses {
  readonly fit: ReplayedFit;
  /** What each of those passes says of the rows it is of. */
  readonly rowsDigests: readonly string[];
}

/** Feeds a fit with every merged pass that there is. Throws `bad-input` naming one that is wrong. */
export async function readMergedPasses(
  store: ObjectStore,
  plan: Plan,
  detector: Detector,
  head: Head,
  signal: AbortSignal,
): Promise<MergedPasses> {
  const { train, calibration } = plan.inputs;
  const totalRows = { train: train.samples, calibration: calibration.samples };
  const fit = new ReplayedFit({ detector, head, totalRows });
  const rowsDigests: string[] = [];
  while (fit.state.pass !== undefined) {
    const { pass, statistics } = fit.state;
    const object = await findObject(store, mergedKey(pass), signal);
    if (object === undefined) break;
    const header = await readPartialHeader(store, object, mergedIdentity(pass, stampOf(plan)), signal);
    fit.resume(await readStates(store, header, statistics, { bytes: new Uint8Array(0) }, signal));
    rowsDigests.push(header.document.rowsDigest);
  }
  return { fit, rowsDigests };
}

/** What a merged pass is. */
export function mergedIdentity(pass: number, stamp: Stamp) {
  return { kind: 'merged', pass, shard: null, stamp } as const;
}
