import { HimplosError } from '../../shared/errors.ts';
import type { ChannelDocument } from '../../shared/store/channel-document.ts';
import {
  type ChangeNote,
  type ChannelAddress,
  type ChannelState,
  promote,
  readChannel,
} from '../../shared/store/channels.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { compareVersions } from './compare-versions.ts';
import type { GateLimits } from './gate-limits.ts';
import { applyGates, type GateResult } from './gates.ts';
import { readVersion, type StoredVersion } from './measure-version.ts';

export interface PromotionRequest {
  readonly version: string;
  readonly limits: GateLimits;
  /** Promotes in spite of failed gates; who and why are kept in the channel's history. */
  readonly force: boolean;
  readonly note: Omit<ChangeNote, 'isForced'>;
}

export interface PromotionOutcome {
  readonly gates: readonly GateResult[];
  /** The channel afterwards; undefined when a gate failed and nothing was changed. */
  readonly state: ChannelState | undefined;
  /** Where the channel pointed before; undefined when nowhere. */
  readonly before: string | undefined;
}

/**
 * Moves a channel to a version, if the version passes the gates against the one the channel points to now, and nobody
 * moves the channel meanwhile. A version before that can no longer be read fails like one without evaluation rows.
 * Throws as `promote`; `bad-usage` for `force` without a name and a reason.
 */
export async function promoteVersion(
  store: ObjectStore,
  address: ChannelAddress,
  { version, limits, force, note }: PromotionRequest,
  options: CallOptions = {},
): Promise<PromotionOutcome> {
  if (force && (!note.by || !note.reason)) {
    throw new HimplosError('bad-usage', 'promoting in spite of failed gates takes a name and a reason', {
      hint: '--force --by NAME --reason "…"; both are kept in the channel’s history',
    });
  }
  const from = await readChannel(store, address, options);
  const current = from?.document;
  // Before minutes of scoring: there is nothing to do.
  if (current?.version === version) {
    throw new HimplosError(
      'bad-usage',
      `${address.channel} already points to version ${version.slice(0, 12)}`,
      {
        hint: 'there is nothing to do',
      },
    );
  }
  const after = await readVersion(store, address.detector, { version }, options);
  const gates = await runGates(store, address.detector, { current, after, limits }, options);
  const hasFailed = gates.some(({ passed }) => !passed);
  const before = current?.version;
  if (hasFailed && !force) return { gates, state: undefined, before };
  const change = { from, version, note: { ...note, isForced: hasFailed } };
  return { gates, state: await promote(store, address, change, options), before };
}

async function runGates(
  store: ObjectStore,
  detector: string,
  {
    current,
    after,
    limits,
  }: {
    readonly current: ChannelDocument | undefined;
    readonly after: StoredVersion;
    readonly limits: GateLimits;
  },
  options: CallOptions,
): Promise<readonly GateResult[]> {
  let before: StoredVersion | undefined;
  try {
    before = current && (await readVersion(store, detector, current, options));
  } catch (error) {
    const isDamage = error instanceof HimplosError && ['bad-artifact', 'not-found'].includes(error.code);
    if (!isDamage) throw error;
    return [
      { gate: 'evaluation', passed: false, finding: `the version before cannot be read: ${error.message}` },
    ];
  }
  return applyGates(await compareVersions(before, after, options), limits);
}
