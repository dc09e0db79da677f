import { PutObjectCommand } from '@aws-sdk/client-s3';
import { cutIntoParts } from './body-parts.ts';
import { storageError } from './file-errors.ts';
import { bodyBytes, type CallOptions, type ObjectBody, type PutOptions } from './object-store.ts';
import type { S3Place } from './s3-client.ts';
import { conflict, isRefusal } from './s3-errors.ts';
import { writeInParts } from './s3-multipart.ts';
import { abortBy, etagOf, headObject } from './s3-reading.ts';
import { retrying } from './s3-retries.ts';

/** Writes an object: at once, or in parts when it is large. See `ObjectStore.put`. */
export async function writeObject(
  place: S3Place,
  key: string,
  body: ObjectBody,
  options: PutOptions = {},
): Promise<{ readonly etag: string }> {
  const what = `writing ${place.text}/${key}`;
  const { ifNoneMatch, ifMatch, signal } = options;
  const conditions = {
    ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
    // Without quotes: S3 takes both forms, but Ceph compares the text as it is when it writes.
    ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
  };
  const isConditional = ifNoneMatch !== undefined || ifMatch !== undefined;
  if (bodyBytes(body) > place.partBytes) {
    // Saves sending gigabytes to hear at the end that they were not wanted.
    if (isConditional) await requireCondition(place, key, what, options);
    return writeInParts(place, key, body, conditions, signal);
  }
  const whole = await readPart(body, place.partBytes, what, signal);
  return retrying(place.retries, what, signal, async () => {
    try {
      const command = new PutObjectCommand({
        Bucket: place.bucket,
        Key: place.prefix + key,
        Body: whole,
        ...conditions,
        ...place.encryption,
      });
      return { etag: etagOf(await place.client.send(command, abortBy(signal))) };
    } catch (error) {
      throw isRefusal(error, isConditional) ? conflict(what, 'somebody else has changed it') : error;
    }
  });
}

async function requireCondition(
  place: S3Place,
  key: string,
  what: string,
  { ifNoneMatch, ifMatch, signal }: PutOptions,
): Promise<void> {
  const current = await headObject(place, key, callOptions(signal));
  if (ifNoneMatch !== undefined && current !== undefined) throw conflict(what, 'it is already there');
  if (ifMatch !== undefined && current?.etag !== ifMatch) {
    throw conflict(what, current === undefined ? 'it is gone' : 'somebody else has changed it');
  }
}

async function readPart(
  body: ObjectBody,
  partBytes: number,
  what: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  try {
    for await (const part of cutIntoParts(body, partBytes, what, signal)) return part;
  } catch (error) {
    throw storageError(error, what);
  }
  return new Uint8Array(0);
}

function callOptions(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { signal };
}
