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
 * What has been delivered of a pass, by shard. Throws `bad-input` naming whatever else lies there: partials of another
 * number of shards, other files.
 */
export async function listShards(
  store: ObjectStore,
  pass: number,
  shards: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, ListedObject>> {
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
  return found;
}

/** The partials of a pass in the order of the shards. Throws `bad-input` naming the shards that are missing. */
export function requireAllShards(
  { address }: ObjectStore,
  pass: number,
  shards: number,
  found: ReadonlyMap<number, ListedObject>,
): readonly ListedObject[] {
  const missing = [...Array(shards).keys()].filter((index) => !found.has(index));
  if (missing.length === 0) return [...Array(shards).keys()].map((index) => found.get(index)!);
  const named = `${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ', …' : ''}`;
  const what = pass === 0 ? 'the rows' : `pass ${pass}`;
  throw new HimplosError(
    'bad-input',
    `${address}: ${missing.length} of ${shards} shards have not delivered ${what}: ${named}`,
    { hint: `run himplos calibrate … --shard INDEX/${shards} for each of them` },
  );
}

function folderOf(pass: number): string {
  return pass === 0 ? 'rows/' : `pass-${pass}/`;
}

function pad(number: number): string {
  return String(number).padStart(5, '0');
}
