import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { requireKey } from './keys.ts';
import type { ObjectStore } from './object-store.ts';
import { connectS3, type S3Options, type S3Place } from './s3-client.ts';
import { statusOf } from './s3-errors.ts';
import { listObjects } from './s3-listing.ts';
import { sweepUploads } from './s3-multipart.ts';
import { abortBy, headObject, openObject, readObject, readRange } from './s3-reading.ts';
import { retrying } from './s3-retries.ts';
import { writeObject } from './s3-writing.ts';

/**
 * A bucket, or what lies below a prefix in it, as an object store. Every request is repeated a bounded number of times
 * while that may help; a conditional write that met another one (409) too, one that lost (412) is a `conflict`.
 * Nothing is sent until the first call. Throws `bad-usage` for an address that cannot be one.
 */
export function openS3Store(address: string, options: S3Options = {}): ObjectStore {
  const place = connectS3(address, options);
  const check = (key: string): string => {
    requireKey(key);
    requireKey(place.prefix + key);
    return key;
  };

  // Async methods, so that a bad key rejects like every other failure.
  return {
    address: place.text,
    async get(key, call) {
      return (await readObject(place, check(key), call))!;
    },
    async getIfChanged(key, etag, call) {
      return readObject(place, check(key), call, etag);
    },
    async getRange(key, start, end, call) {
      return readRange(place, check(key), start, end, call);
    },
    async open(key, call) {
      return openObject(place, check(key), call);
    },
    async put(key, body, call) {
      return writeObject(place, check(key), body, call);
    },
    async head(key, call) {
      return headObject(place, check(key), call);
    },
    list: (prefix, call) => listObjects(place, prefix, call),
    async delete(key, call) {
      await deleteObject(place, check(key), call?.signal);
    },
    async sweep(olderThanMs) {
      return sweepUploads(place, olderThanMs);
    },
  };
}

async function deleteObject(place: S3Place, key: string, signal: AbortSignal | undefined): Promise<void> {
  await retrying(place.retries, `removing ${place.text}/${key}`, signal, async () => {
    const command = new DeleteObjectCommand({ Bucket: place.bucket, Key: place.prefix + key });
    try {
      await place.client.send(command, abortBy(signal));
    } catch (error) {
      if (statusOf(error) !== 404 || (error as Error).name === 'NoSuchBucket') throw error;
    }
  });
}
