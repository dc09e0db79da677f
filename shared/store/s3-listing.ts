import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { HimplosError } from '../errors.ts';
import { isKey, requirePrefix } from './keys.ts';
import type { CallOptions, ListedObject } from './object-store.ts';
import type { S3Place } from './s3-client.ts';
import { abortBy } from './s3-reading.ts';
import { retrying } from './s3-retries.ts';

/**
 * Objects below a place by the start of their keys, page by page. Objects that are no keys of a store (`folder/` markers,
 * hidden names) are passed over. See `ObjectStore.list`. Throws `unsupported` when the server lists in another order.
 */
export async function* listObjects(
  place: S3Place,
  prefix: string,
  { signal }: CallOptions = {},
): AsyncGenerator<ListedObject> {
  requirePrefix(prefix);
  const what = `listing ${place.text}/${prefix}`;
  let last = '';
  let token: string | undefined;
  do {
    const command: ListObjectsV2Command = new ListObjectsV2Command({
      Bucket: place.bucket,
      Prefix: place.prefix + prefix,
      // XML cannot hold every character a key may have.
      EncodingType: 'url',
      ...(token === undefined ? {} : { ContinuationToken: token }),
    });
    const page = await retrying(place.retries, what, signal, () =>
      place.client.send(command, abortBy(signal)),
    );
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
      const full = page.EncodingType === 'url' ? decode(Key) : Key;
      const key = full.slice(place.prefix.length);
      if (!full.startsWith(place.prefix + prefix) || !isKey(key)) continue;
      // Also ends a server's endless listing.
      if (Buffer.compare(Buffer.from(key), Buffer.from(last)) <= 0) throw outOfOrder(what);
      last = key;
      yield { key, bytes: Size, modifiedMs: LastModified?.getTime() ?? 0 };
    }
    const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    if (next !== undefined && next === token) throw outOfOrder(what);
    token = next;
  } while (token !== undefined);
}

/** S3 writes a space as `+`, other servers as `%20`. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

function outOfOrder(what: string): HimplosError {
  return new HimplosError('unsupported', `${what}: the server does not list in the order of UTF-8 bytes`, {
    hint: 'directory buckets (S3 Express) do that: use a general-purpose bucket',
  });
}
