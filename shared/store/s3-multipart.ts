import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { cutIntoParts } from './body-parts.ts';
import { storageError } from './file-errors.ts';
import { bodyBytes, type ObjectBody } from './object-store.ts';
import type { S3Place } from './s3-client.ts';
import { conflict, isAccessDenied, isRefusal, nameOf } from './s3-errors.ts';
import { abortBy, encodeCrc32, etagOf, headObject } from './s3-reading.ts';
import { retrying } from './s3-retries.ts';

/** Parts under way at once: with the one being filled, five are in memory. */
const PARALLEL = 4;
/** S3's limit. */
const MAX_PARTS = 10_000;

/**
 * Writes a large object in parts, a few at a time; it appears when the last request joins them, under the conditions.
 * When anything fails, the parts are removed; parts of a process that died are what `sweepUploads` is for.
 */
export async function writeInParts(
  place: S3Place,
  key: string,
  body: ObjectBody,
  conditions: { readonly IfNoneMatch?: string; readonly IfMatch?: string },
  signal: AbortSignal | undefined,
): Promise<{ readonly etag: string }> {
  const what = `writing ${place.text}/${key}`;
  const target = { Bucket: place.bucket, Key: place.prefix + key };
  const checksum = place.withChecksums
    ? { ChecksumAlgorithm: 'CRC32' as const, ChecksumType: 'FULL_OBJECT' as const }
    : {};
  const { UploadId } = await retrying(place.retries, what, signal, () =>
    place.client.send(
      new CreateMultipartUploadCommand({ ...target, ...checksum, ...place.encryption }),
      abortBy(signal),
    ),
  );
  const upload = { ...target, UploadId };
  try {
    const { parts, crc } = await sendParts(place, upload, body, what, signal);
    const etag = await retrying(place.retries, what, signal, async (attempt) => {
      try {
        const command = new CompleteMultipartUploadCommand({
          ...upload,
          ...conditions,
          MultipartUpload: { Parts: parts },
          ...(place.withChecksums ? { ChecksumType: 'FULL_OBJECT', ChecksumCRC32: encodeCrc32(crc) } : {}),
        });
        return etagOf(await place.client.send(command, abortBy(signal)));
      } catch (error) {
        const isConditional = Object.keys(conditions).length > 0;
        // Parts vanish when they are joined: the answer to an earlier attempt was lost.
        const isOwn = nameOf(error) === 'NoSuchUpload' && isConditional && attempt > 1;
        throw isOwn || isRefusal(error, isConditional)
          ? conflict(what, 'somebody else has changed it')
          : error;
      }
    });
    return { etag: etag || (await askForEtag(place, key)) };
  } catch (error) {
    await abandon(place, upload);
    throw error;
  }
}

/** Ceph does not say it when it joins parts. Empty for whoever may write there and not read: the object is written. */
async function askForEtag(place: S3Place, key: string): Promise<string> {
  try {
    return (await headObject(place, key))?.etag ?? '';
  } catch (error) {
    if (isAccessDenied(error)) return '';
    throw error;
  }
}

/**
 * Removes uploads below a place that were begun more than `olderThanMs` ago and never finished; resolves to how many.
 */
export async function sweepUploads(place: S3Place, olderThanMs: number): Promise<number> {
  const what = `looking for unfinished uploads in ${place.text}`;
  let removed = 0;
  let marker: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } = {};
  for (;;) {
    const command = new ListMultipartUploadsCommand({
      Bucket: place.bucket,
      Prefix: place.prefix,
      ...marker,
    });
    const page = await retrying(place.retries, what, undefined, () => place.client.send(command));
    // What the SDK learnt from the server's answers: uploads are dated by the server's clock.
    const nowMs = Date.now() + place.client.config.systemClockOffset;
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Initiated === undefined || nowMs - Initiated.getTime() <= olderThanMs) continue;
      await retrying(place.retries, what, undefined, () =>
        place.client.send(new AbortMultipartUploadCommand({ Bucket: place.bucket, Key, UploadId })),
      );
      removed++;
    }
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
    if (page.IsTruncated !== true || KeyMarker === undefined) break;
    if (KeyMarker === marker.KeyMarker && UploadIdMarker === marker.UploadIdMarker) break;
    marker = { KeyMarker, ...(UploadIdMarker === undefined ? {} : { UploadIdMarker }) };
  }
  return removed;
}

interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string | undefined;
}

async function sendParts(
  place: S3Place,
  upload: Upload,
  body: ObjectBody,
  what: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly parts: CompletedPart[]; readonly crc: number }> {
  const stop = new AbortController();
  const stopped = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const parts: CompletedPart[] = [];
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let crc = 0;
  try {
    const partBytes = Math.max(place.partBytes, Math.ceil(bodyBytes(body) / MAX_PARTS));
    for await (const part of cutIntoParts(body, partBytes, what, signal)) {
      crc = crc32(part, crc);
      const task = sendPart(place, upload, parts, part, what, stopped)
        .catch((error: unknown) => {
          failure ??= { error };
          stop.abort();
        })
        .finally(() => running.delete(task));
      running.add(task);
      if (running.size >= PARALLEL) await Promise.race(running);
      if (failure !== undefined) break;
    }
  } catch (error) {
    stop.abort();
    failure ??= { error: storageError(error, what) };
  }
  await Promise.all(running);
  if (failure !== undefined) throw failure.error;
  return { parts, crc };
}

/** Reserves the part's place in the list before it is sent: parts finish in any order. */
async function sendPart(
  place: S3Place,
  upload: Upload,
  parts: CompletedPart[],
  content: Uint8Array,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  const part: CompletedPart = { PartNumber: parts.length + 1 };
  parts.push(part);
  const output = await retrying(place.retries, what, signal, () =>
    place.client.send(
      new UploadPartCommand({ ...upload, PartNumber: part.PartNumber, Body: content }),
      abortBy(signal),
    ),
  );
  part.ETag = output.ETag;
  if (output.ChecksumCRC32 !== undefined) part.ChecksumCRC32 = output.ChecksumCRC32;
}

/** Removes what was sent, as far as that is possible; whatever went wrong before is what the caller must hear about. */
async function abandon(place: S3Place, upload: Upload): Promise<void> {
  try {
    await place.client.send(new AbortMultipartUploadCommand(upload));
  } catch {
    // sweepUploads removes it later.
  }
}
