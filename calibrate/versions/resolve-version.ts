import { HimplosError } from '../../shared/errors.ts';
import { readChannel } from '../../shared/store/channels.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { listVersions } from '../../shared/store/versions.ts';

/** A version, and what a channel promises about it where one was named. */
export interface VersionReference {
  readonly version: string;
  readonly manifestSha256?: string;
}

/**
 * The version that a user means: 6 to 64 hexadecimal digits are (the beginning of) a version, anything else is a
 * channel. Throws `not-found`, and `bad-usage` when several versions begin like that.
 */
export async function resolveVersion(
  store: ObjectStore,
  detector: string,
  reference: string,
  options: CallOptions = {},
): Promise<VersionReference> {
  if (/^[0-9a-f]{64}$/.test(reference)) return { version: reference };
  if (!/^[0-9a-f]{6,63}$/.test(reference)) {
    const state = await readChannel(store, { detector, channel: reference }, options);
    if (state !== undefined) {
      const { version, manifestSha256 } = state.document;
      return { version, manifestSha256 };
    }
    throw new HimplosError('not-found', `${store.address}: ${detector} has no channel ${reference}`, {
      hint: 'name a channel, or a version by at least 6 digits; himplos versions lists them',
    });
  }
  const versions = (await listVersions(store, detector, options)).map(({ version }) => version);
  const matching = versions.filter((version) => version.startsWith(reference));
  if (matching.length === 1) return { version: matching[0]! };
  const found = matching.map((version) => version.slice(0, 12)).slice(0, 5);
  throw new HimplosError(
    matching.length === 0 ? 'not-found' : 'bad-usage',
    `${store.address}: ${detector} has ${matching.length === 0 ? 'no version' : `${matching.length} versions`} that begin${matching.length === 0 ? 's' : ''} with ${reference}${matching.length === 0 ? '' : `: ${found.join(', ')}`}`,
    { hint: 'himplos versions lists them' },
  );
}
