import { promotedVersions } from '../../shared/store/channels.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { claimVersion, listPins, releaseVersion } from '../../shared/store/pins.ts';
import { deleteVersion, type ListedVersion, listVersions } from '../../shared/store/versions.ts';

export interface PruneOptions extends CallOptions {
  /** How many of the newest complete versions stay, besides those that were ever promoted. */
  readonly keep: number;
  /** Unfinished versions and uploads younger than this may belong to a publish at work. */
  readonly graceMs: number;
  /** Now, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Unique to this run. */
  readonly id: string;
  /** Only say what would be removed. */
  readonly isDryRun?: boolean;
}

export interface PruneResult {
  readonly removed: readonly {
    readonly version: string;
    readonly why: 'old' | 'unfinished';
    readonly bytes: number;
  }[];
  /** Versions that would go, but were promoted, or are being pruned by somebody else. */
  readonly spared: readonly string[];
  /** Unfinished uploads and temporary files that were removed. */
  readonly swept: number;
}

/**
 * Removes old versions and what interrupted publishes left. A version that a channel points to or ever pointed to is
 * never removed, whatever a listing lacks and whoever promotes meanwhile: see pins.ts. An interrupted prune is finished
 * by the next one.
 */
export async function pruneVersions(
  store: ObjectStore,
  detector: string,
  options: PruneOptions,
): Promise<PruneResult> {
  const { keep, graceMs, nowMs, id, isDryRun = false, ...call } = options;
  const pins = await listPins(store, detector, call);
  const promoted = new Set([...pins.promoted, ...(await promotedVersions(store, detector, call)).keys()]);
  const versions = await listVersions(store, detector, call);
  const byAge = versions.toSorted((a, b) => b.modifiedMs - a.modifiedMs);
  const kept = new Set(
    byAge
      .filter(({ isComplete }) => isComplete)
      .slice(0, keep)
      .map(({ version }) => version),
  );
  const isYoung = ({ isComplete, modifiedMs }: ListedVersion) => !isComplete && nowMs - modifiedMs <= graceMs;

  const removed: PruneResult['removed'][number][] = [];
  const spared: string[] = [];
  for (const listed of versions) {
    const { version, isComplete, bytes } = listed;
    if (kept.has(version) || isYoung(listed)) continue;
    if (promoted.has(version)) {
      spared.push(version);
      continue;
    }
    if (!isDryRun) {
      if (!(await claimVersion(store, detector, version, { id, nowMs }, call))) {
        spared.push(version);
        continue;
      }
      await deleteVersion(store, detector, version, call);
      await releaseVersion(store, detector, version, call);
    }
    removed.push({ version, why: isComplete ? 'old' : 'unfinished', bytes });
  }
  // Left by a prune that died: of a version that is gone, or that is to be kept after all.
  const present = new Set(versions.map(({ version }) => version));
  for (const version of pins.claimed) {
    if (isDryRun || (present.has(version) && !kept.has(version))) continue;
    if (await claimVersion(store, detector, version, { id, nowMs }, call)) {
      await releaseVersion(store, detector, version, call);
    }
  }
  return { removed, spared, swept: isDryRun ? 0 : await store.sweep(graceMs) };
}
