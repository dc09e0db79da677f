import { createHash } from 'node:crypto';
import { loadManifest } from '../artifact/load-detector.ts';
import { encodeManifest, MANIFEST_FILE } from '../artifact/manifest.ts';
import { HimplosError } from '../errors.ts';
import {
  type ChannelChange,
  type ChannelDocument,
  decodeChannel,
  encodeChannel,
} from './channel-document.ts';
import { channelKey, MAX_CHANNEL_BYTES } from './channel-key.ts';
import { requireName } from './keys.ts';
import type { CallOptions, ObjectReader, ObjectStore, StoredObject } from './object-store.ts';
import { pinVersion } from './pins.ts';
import { versionKey } from './version-keys.ts';
import { openVersion } from './versions.ts';

/** A channel as it was read; changing it succeeds only while it is still in this state. */
export interface ChannelState {
  readonly document: ChannelDocument;
  readonly etag: string;
}

/** Which channel of which detector. */
export interface ChannelAddress {
  readonly detector: string;
  readonly channel: string;
}

/** Who changes a channel, when and why. */
export type ChangeNote = Pick<ChannelChange, 'id' | 'at' | 'by' | 'reason' | 'isForced'>;

/** The state of a channel; undefined when nothing was ever promoted to it. Throws `bad-artifact` when it is damaged. */
export async function readChannel(
  store: ObjectReader,
  address: ChannelAddress,
  options: CallOptions = {},
): Promise<ChannelState | undefined> {
  const key = channelKey(address);
  try {
    return parse(store, key, await store.get(key, { ...options, maxBytes: MAX_CHANNEL_BYTES }));
  } catch (error) {
    if (error instanceof HimplosError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** The state of a channel if it is no longer the one given; undefined while it is. Cheap when nothing has changed. */
export async function readChannelIfChanged(
  store: ObjectReader,
  address: ChannelAddress,
  last: ChannelState,
  options: CallOptions = {},
): Promise<ChannelState | undefined> {
  const key = channelKey(address);
  const object = await store.getIfChanged(key, last.etag, { ...options, maxBytes: MAX_CHANNEL_BYTES });
  return object === undefined ? undefined : parse(store, key, object);
}

/**
 * Points a channel to a version, if the channel is still in the state `from` (what quality gates compared with;
 * undefined when there was none). Of several changes at once exactly one wins; the others get `conflict`, which names
 * the winner. Resolves to the state after it (or a later one, when somebody else was quick to follow). Throws
 * `not-found` when the version is not whole, `bad-usage` when the channel already points to it.
 */
export async function promote(
  store: ObjectStore,
  address: ChannelAddress,
  change: { readonly from: ChannelState | undefined; readonly version: string; readonly note: ChangeNote },
  options: CallOptions = {},
): Promise<ChannelState> {
  const { from, version, note } = change;
  if (from?.document.version === version) {
    throw new HimplosError(
      'bad-usage',
      `${address.channel} already points to version ${version.slice(0, 12)}`,
      {
        hint: 'there is nothing to do',
      },
    );
  }
  const manifest = await loadManifest(openVersion(store, address.detector, version, options), { version });
  const manifestSha256 = createHash('sha256').update(encodeManifest(manifest)).digest('hex');
  await pinVersion(store, address.detector, version, options);
  // It may have been pruned between the two.
  if ((await store.head(versionKey(address.detector, version, MANIFEST_FILE), options)) === undefined) {
    throw new HimplosError('not-found', `version ${version.slice(0, 12)} was pruned meanwhile`, {
      hint: 'publish it again',
    });
  }
  const returnsTo = from?.document.generation ?? null;
  return move(
    store,
    address,
    from,
    { ...note, version, manifestSha256, action: 'promote', returnsTo },
    options,
  );
}

/**
 * Points a channel back to where it pointed before the promotion it is at; again and again leads back to the first one.
 * Throws `bad-usage` when there is nothing to go back to, otherwise as {@link promote}.
 */
export async function rollback(
  store: ObjectStore,
  address: ChannelAddress,
  change: { readonly from: ChannelState; readonly note: ChangeNote },
  options: CallOptions = {},
): Promise<ChannelState> {
  const { history } = change.from.document;
  const target = history.find(({ generation }) => generation === history.at(-1)!.returnsTo);
  if (target === undefined) {
    throw new HimplosError('bad-usage', `${address.channel} has no earlier version to go back to`, {
      hint: 'promote another version instead',
    });
  }
  const { version, manifestSha256, returnsTo } = target;
  await loadManifest(openVersion(store, address.detector, version, options), { version, manifestSha256 });
  return move(
    store,
    address,
    change.from,
    { ...change.note, version, manifestSha256, action: 'rollback', returnsTo },
    options,
  );
}

/** Every version that any of the detector's channels points to or ever pointed to. */
export async function promotedVersions(
  store: ObjectStore,
  detector: string,
  options: CallOptions = {},
): Promise<ReadonlyMap<string, readonly string[]>> {
  const channelsOf = new Map<string, string[]>();
  for (const channel of await listChannels(store, detector, options)) {
    const state = await readChannel(store, { detector, channel }, options);
    for (const version of new Set(state?.document.history.map((change) => change.version))) {
      channelsOf.set(version, [...(channelsOf.get(version) ?? []), channel]);
    }
  }
  return channelsOf;
}

/** Names of a detector's channels, in order. */
export async function listChannels(
  store: ObjectStore,
  detector: string,
  options: CallOptions = {},
): Promise<readonly string[]> {
  requireName('detector', detector);
  const prefix = `${detector}/channels/`;
  const names: string[] = [];
  for await (const { key } of store.list(prefix, options)) {
    const name = /^([^/]+)\.json$/.exec(key.slice(prefix.length))?.[1];
    if (name !== undefined) names.push(name);
  }
  return names;
}

async function move(
  store: ObjectStore,
  address: ChannelAddress,
  from: ChannelState | undefined,
  change: Omit<ChannelChange, 'generation'>,
  options: CallOptions,
): Promise<ChannelState> {
  const key = channelKey(address);
  const history = from?.document.history ?? [];
  const body = encodeChannel([...history, { ...change, generation: history.length + 1 }]);
  const condition = from === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: from.etag };
  try {
    const { etag } = await store.put(key, body, { ...options, ...condition });
    return { document: decodeChannel(body, key), etag };
  } catch (error) {
    if (!(error instanceof HimplosError) || (error.code !== 'conflict' && error.code !== 'unavailable'))
      throw error;
    // The answer to a write that took place may have been lost, and its retry refused: the change's id tells.
    const now = await readChannel(store, address, options).catch(() => undefined);
    if (now?.document.history.some(({ id }) => id === change.id)) return now;
    throw error.code === 'conflict' ? lostRace(address, now, error) : error;
  }
}

function lostRace(
  { detector, channel }: ChannelAddress,
  now: ChannelState | undefined,
  cause: HimplosError,
): HimplosError {
  const winner = now?.document.history.at(-1);
  const where =
    winner === undefined
      ? ''
      : `: generation ${winner.generation} points to ${winner.version.slice(0, 12)}${winner.by === null ? '' : `, by ${winner.by}`}`;
  return new HimplosError('conflict', `somebody else has changed ${detector}/${channel}${where}`, {
    hint: 'look at it with himplos versions, then decide anew',
    cause,
  });
}

function parse(store: ObjectReader, key: string, { body, etag }: StoredObject): ChannelState {
  return { document: decodeChannel(body, `${store.address}/${key}`), etag };
}
