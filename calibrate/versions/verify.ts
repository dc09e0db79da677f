import { loadDetector } from '../../shared/artifact/load-detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import { listChannels, readChannel } from '../../shared/store/channels.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { listVersions, openVersion, verifyVersion } from '../../shared/store/versions.ts';

/** What is wrong with one version or channel. */
export interface Finding {
  /** `version …` or `channel …`. */
  readonly where: string;
  readonly problem: string;
}

export interface Verification {
  /** Versions and channels that were looked at. */
  readonly checked: number;
  /** Nothing when all is well. */
  readonly problems: readonly Finding[];
  /** Unfinished versions: what an interrupted publish left, or one at work. No problem; prune removes them. */
  readonly unfinished: readonly string[];
}

/**
 * Reads every byte of a detector's versions (or of one) and checks them against their manifests, loads each detector as
 * a function would, and follows every channel. Throws what the store throws, and `not-found` for a version that is not
 * there.
 */
export async function verifyDetector(
  store: ObjectStore,
  detector: string,
  options: CallOptions & { readonly version?: string } = {},
): Promise<Verification> {
  const { version: only, ...call } = options;
  const problems: Finding[] = [];
  const listed =
    only === undefined ? await listVersions(store, detector, call) : [{ version: only, isComplete: true }];
  const complete = listed.filter(({ isComplete }) => isComplete).map(({ version }) => version);
  for (const version of complete) {
    for (const problem of await problemsOf(store, detector, version, call)) {
      problems.push({ where: `version ${version.slice(0, 12)}`, problem });
    }
  }
  const channels = only === undefined ? await listChannels(store, detector, call) : [];
  for (const channel of channels) {
    const problem = await problemOfChannel(store, detector, channel, call);
    if (problem !== undefined) problems.push({ where: `channel ${channel}`, problem });
  }
  return {
    checked: complete.length + channels.length,
    problems,
    unfinished: listed.filter(({ isComplete }) => !isComplete).map(({ version }) => version),
  };
}

async function problemsOf(
  store: ObjectStore,
  detector: string,
  version: string,
  call: CallOptions,
): Promise<readonly string[]> {
  const problems = await verifyVersion(store, detector, version, call);
  if (problems.length > 0) return problems;
  const problem = await problemIn(() =>
    loadDetector(openVersion(store, detector, version, call), { version }),
  );
  return problem === undefined ? [] : [problem];
}

/** A channel must be readable, and point to a whole version with the manifest that was promoted. */
async function problemOfChannel(
  store: ObjectStore,
  detector: string,
  channel: string,
  call: CallOptions,
): Promise<string | undefined> {
  return problemIn(async () => {
    const state = await readChannel(store, { detector, channel }, call);
    if (state === undefined) return;
    const { version, manifestSha256 } = state.document;
    await loadDetector(openVersion(store, detector, version, call), { version, manifestSha256 });
  });
}

async function problemIn(read: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await read();
    return undefined;
  } catch (error) {
    const isDamage =
      error instanceof HimplosError && ['bad-artifact', 'not-found', 'too-large'].includes(error.code);
    if (!isDamage) throw error;
    return error.message;
  }
}
