import { HimplosError } from '../../shared/errors.ts';
import type { ListedObject, ObjectStore } from '../../shared/store/object-store.ts';
import type { PartialIdentity } from './partial-document.ts';
import type { Shard } from './shard-index.ts';

/** Where a shard's partial lies; pass 0 is its rows. */
export function shardKey(pass: number, { index, count }: Shard): string {
  return `${folderOf(pass)}shard-${pad(index)}-of-${pad(count)}.safetensors`;
}

/** Where a merged pass lies. */
export function mergedKey(pass: number): string {
  return `${folderOf(pass)}merged.safetensors`;
}

/** What lies under {@link shardKey}. */
export function shardIdentity(pass: number, shard: number, stamp: PartialIdentity['stamp']): PartialIdentity {
  return { kind: pass === 0 ? 'rows' : 'statistics', pass, shard, stamp };
}

/** An object, or undefined where there is none. Unlike `head`, it reads nothing of a file. */
export async function findObject(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<ListedObject | undefined> {
  for await (const object of store.list(key, { signal })) if (object.key === key) return object;
  return undefined;
}

/**
 * The partials of a pass, one a shard, in order; undefined where there is not a single one. Throws `bad-input` naming
 * the shards that are missing, and whatever else lies there.
 */
export async function listShards(
  store: ObjectStore,
  pass: number,
  shards: number,
  signal: AbortSignal,
): Promise<readonly ListedObject[] | undefined> {
  const found = new Map<number, ListedObject>();
  for await (const object of store.list(folderOf(pass), { signal })) {
    if (object.key === mergedKey(pass)) continue;
    const [, index, count] = /\/shard-(\d{5})-of-(\d{5})\.safetensors$/.exec(object.key) ?? [];
    const shard = { index: Number(index), count: Number(count) };
    if (index === undefined || shardKey(pass, shard) !== object.key) {
      throw new HimplosError(
        'bad-input',
        `${store.address}: ${object.key} is foreign: no name of a partial`,
        {
          hint: 'remove it',
        },
      );
    }
    if (shard.count !== shards || shard.index >= shards) {
      throw new HimplosError(
        'bad-input',
        `${store.address}: ${object.key} is foreign: one of ${shard.count} shards, expected one of ${shards}`,
        { hint: 'remove it: it is from another run' },
      );
    }
    found.set(shard.index, object);
  }
  if (found.size === 0) return undefined;
  const missing = Array.from({ length: shards }, (_, index) => index).filter((index) => !found.has(index));
  if (missing.length > 0) throw missingShards(store, pass, missing, shards);
  return Array.from({ length: shards }, (_, index) => found.get(index)!);
}

/** What to say when some shards have not delivered. */
export function missingShards(
  { address }: ObjectStore,
  pass: number,
  missing: readonly number[],
  shards: number,
): HimplosError {
  const named = `${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ', …' : ''}`;
  const what = pass === 0 ? 'the rows' : `pass ${pass}`;
  return new HimplosError(
    'bad-input',
    `${address}: ${what} of ${missing.length} of ${shards} shards are missing: ${named}`,
    { hint: `run himplos calibrate … --shard INDEX/${shards} for each of them` },
  );
}

function folderOf(pass: number): string {
  return pass === 0 ? 'rows/' : `pass-${pass}/`;
}

function pad(number: number): string {
  return String(number).padStart(5, '0');
}
