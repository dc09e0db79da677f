import { decodeDetectorPreamble } from '../../shared/artifact/detector.ts';
import type { DetectorDocument } from '../../shared/artifact/detector-document.ts';
import { HimplosError } from '../../shared/errors.ts';
import { safetensorsDataOffset } from '../../shared/formats/safetensors.ts';
import { listChannels, readChannel } from '../../shared/store/channels.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { versionKey } from '../../shared/store/version-keys.ts';
import { listVersions } from '../../shared/store/versions.ts';

/** A version as a list shows it. */
export interface VersionSummary {
  readonly version: string;
  /** When it was published: milliseconds since 1970, by the storage's clock. */
  readonly publishedMs: number;
  readonly bytes: number;
  readonly state: 'complete' | 'incomplete' | 'damaged';
  /** Null unless it is complete. */
  readonly method: string | null;
  readonly gamma: number | null;
  /** Mean over the OOD sets, as measured at calibration; null where there were none. */
  readonly auroc: number | null;
  readonly accuracy: number | null;
  /** Channels that point to it. */
  readonly channels: readonly string[];
}

/** Every version of a detector, newest first. Reads only the beginnings of the detectors themselves. */
export async function describeVersions(
  store: ObjectStore,
  detector: string,
  options: CallOptions = {},
): Promise<readonly VersionSummary[]> {
  const channelsOf = new Map<string, string[]>();
  for (const channel of await listChannels(store, detector, options)) {
    const state = await readChannel(store, { detector, channel }, options);
    if (state === undefined) continue;
    const { version } = state.document;
    channelsOf.set(version, [...(channelsOf.get(version) ?? []), channel]);
  }
  const summaries: VersionSummary[] = [];
  for (const { version, isComplete, bytes, modifiedMs } of await listVersions(store, detector, options)) {
    const document = isComplete ? await readDocument(store, detector, version, options) : undefined;
    const ood = document?.metrics.ood ?? [];
    summaries.push({
      version,
      publishedMs: modifiedMs,
      bytes,
      state: document !== undefined ? 'complete' : isComplete ? 'damaged' : 'incomplete',
      method: document?.method ?? null,
      gamma: document?.threshold.gamma ?? null,
      auroc: ood.length === 0 ? null : ood.reduce((sum, { auroc }) => sum + auroc, 0) / ood.length,
      accuracy: document?.metrics.id.accuracy ?? null,
      channels: channelsOf.get(version) ?? [],
    });
  }
  return summaries.sort((a, b) => b.publishedMs - a.publishedMs || (a.version < b.version ? -1 : 1));
}

/** Longer than almost every header, so that one request is enough. */
const FIRST_BYTES = 64 * 1024;

/** The document of a version; undefined when it is damaged. */
async function readDocument(
  store: ObjectStore,
  detector: string,
  version: string,
  options: CallOptions,
): Promise<DetectorDocument | undefined> {
  const key = versionKey(detector, version, 'detector.safetensors');
  try {
    const { bytes: total } = (await store.head(key, options)) ?? { bytes: 0 };
    const first = await store.getRange(key, 0, Math.min(FIRST_BYTES, total), options);
    const headerBytes = safetensorsDataOffset(first, total);
    const header = headerBytes <= first.length ? first : await store.getRange(key, 0, headerBytes, options);
    return (await decodeDetectorPreamble(header, total)).document;
  } catch (error) {
    const isDamage =
      error instanceof HimplosError &&
      ['bad-artifact', 'bad-input', 'not-found', 'too-large'].includes(error.code);
    if (!isDamage) throw error;
    return undefined;
  }
}
