import { isSha256Hex } from '../artifact/digest.ts';
import { HimplosError } from '../errors.ts';
import { requireName } from './keys.ts';
import type { CallOptions, ObjectStore } from './object-store.ts';

/**
 * Decides between promoting and pruning a version: `<detector>/pins/<version>` is created once, by whichever comes
 * first, and both look at it before they act. So a version that a channel points to, or ever pointed to, is never pruned:
 * not by a race, and not because a listing lacks the channel. A pin is read by its key, which is consistent where
 * listings may lag.
 */

const PROMOTED = 'promoted\n';
const PRUNING = 'pruning ';
/** A pruning that has not finished after this time has died. */
const STALE_MS = 3_600_000;
const MAX_PIN_BYTES = 200;

/**
 * Keeps a version from being pruned, for good. Throws `conflict` when it is being pruned, and what the store throws.
 */
export async function pinVersion(
  store: ObjectStore,
  detector: string,
  version: string,
  options: CallOptions = {},
): Promise<void> {
  const key = pinKey(detector, version);
  const pin = await create(store, key, PROMOTED, options);
  if (pin === undefined || pin.text === PROMOTED) return;
  throw beingPruned(version);
}

/**
 * Reserves a version for being pruned; resolves to whether that succeeded. It does not when the version was ever
 * promoted, or somebody else has been pruning it for less than an hour.
 * @param claim who prunes (unique) and since when, in milliseconds since 1970
 */
export async function claimVersion(
  store: ObjectStore,
  detector: string,
  version: string,
  claim: { readonly id: string; readonly nowMs: number },
  options: CallOptions = {},
): Promise<boolean> {
  const key = pinKey(detector, version);
  const text = `${PRUNING}${claim.nowMs} ${claim.id}\n`;
  const pin = await create(store, key, text, options);
  if (pin === undefined || pin.text === text) return true;
  const sinceMs = Number(/^pruning (\d{1,16}) /.exec(pin.text)?.[1]);
  if (!(claim.nowMs - sinceMs > STALE_MS)) return false;
  try {
    await store.put(key, encode(text), { ...options, ifMatch: pin.etag });
    return true;
  } catch (error) {
    if (error instanceof HimplosError && error.code === 'conflict') return false;
    throw error;
  }
}

/** Throws `conflict` while a version is reserved for being pruned. */
export async function requireUnclaimed(
  store: ObjectStore,
  detector: string,
  version: string,
  options: CallOptions = {},
): Promise<void> {
  const pin = await read(store, pinKey(detector, version), options);
  if (pin !== undefined && pin.text !== PROMOTED) throw beingPruned(version);
}

/** Gives up a reservation: nothing is left of the version, or it is kept after all. */
export async function releaseVersion(
  store: ObjectStore,
  detector: string,
  version: string,
  options: CallOptions = {},
): Promise<void> {
  await store.delete(pinKey(detector, version), options);
}

/** Versions that were ever promoted, and those reserved for being pruned. */
export async function listPins(
  store: ObjectStore,
  detector: string,
  options: CallOptions = {},
): Promise<{ readonly promoted: ReadonlySet<string>; readonly claimed: ReadonlySet<string> }> {
  requireName('detector', detector);
  const promoted = new Set<string>();
  const claimed = new Set<string>();
  const prefix = `${detector}/pins/`;
  for await (const { key } of store.list(prefix, options)) {
    const version = key.slice(prefix.length);
    if (!isSha256Hex(version)) continue;
    const pin = await read(store, key, options);
    if (pin !== undefined) (pin.text === PROMOTED ? promoted : claimed).add(version);
  }
  return { promoted, claimed };
}

interface Pin {
  readonly text: string;
  readonly etag: string;
}

/** Creates a pin; resolves to the one that is there if there is one already. */
async function create(
  store: ObjectStore,
  key: string,
  text: string,
  options: CallOptions,
): Promise<Pin | undefined> {
  for (;;) {
    try {
      await store.put(key, encode(text), { ...options, ifNoneMatch: '*' });
      return undefined;
    } catch (error) {
      if (!(error instanceof HimplosError) || error.code !== 'conflict') throw error;
    }
    const pin = await read(store, key, options);
    // Otherwise it was released meanwhile.
    if (pin !== undefined) return pin;
  }
}

function beingPruned(version: string): HimplosError {
  return new HimplosError('conflict', `version ${version.slice(0, 12)} is being pruned`, {
    hint: 'publish it again when that is done; himplos prune finishes one that was interrupted',
  });
}

async function read(store: ObjectStore, key: string, options: CallOptions): Promise<Pin | undefined> {
  try {
    const { body, etag } = await store.get(key, { ...options, maxBytes: MAX_PIN_BYTES });
    return { text: new TextDecoder().decode(body), etag };
  } catch (error) {
    if (error instanceof HimplosError && error.code === 'not-found') return undefined;
    throw error;
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function pinKey(detector: string, version: string): string {
  requireName('detector', detector);
  if (!isSha256Hex(version)) {
    throw new HimplosError('bad-input', 'a version has 64 hexadecimal digits', {
      hint: 'himplos versions lists them',
    });
  }
  return `${detector}/pins/${version}`;
}
