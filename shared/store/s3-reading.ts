import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, type GetObjectCommandOutput, HeadObjectCommand } from '@aws-sdk/client-s3';
import { HimplosError } from '../errors.ts';
import { throwIfAborted } from './file-errors.ts';
import type { CallOptions, GetOptions, StoredObject, StoredStream } from './object-store.ts';
import type { S3Place } from './s3-client.ts';
import { BrokenBody, isChecksumMismatch, s3Error, statusOf } from './s3-errors.ts';
import { pause, retrying } from './s3-retries.ts';

/** Fewer new bytes than this are no progress. */
const PROGRESS_BYTES = 64 * 1024;

/** A whole object; undefined when it still has the etag `unless`. See `ObjectStore.get`. */
export async function readObject(
  place: S3Place,
  key: string,
  { maxBytes, signal }: GetOptions,
  unless?: string,
): Promise<StoredObject | undefined> {
  const what = `reading ${place.text}/${key}`;
  return retrying(place.retries, what, signal, async () => {
    let output: GetObjectCommandOutput;
    try {
      output = await request(place, key, unless === undefined ? {} : { IfNoneMatch: quoted(unless) }, signal);
    } catch (error) {
      if (statusOf(error) === 304) return undefined;
      throw error;
    }
    const bytes = lengthOf(output, what);
    if (bytes > maxBytes) {
      bodyOf(output).destroy();
      throw new HimplosError(
        'too-large',
        `${place.text}/${key}: expected at most ${maxBytes} bytes, got ${bytes}`,
        { hint: 'look at what is stored there, or raise the limit' },
      );
    }
    return { body: await collect(output, bytes), etag: etagOf(output) };
  });
}

/** Part of an object. See `ObjectStore.getRange`. */
export async function readRange(
  place: S3Place,
  key: string,
  start: number,
  end: number,
  { signal }: CallOptions = {},
): Promise<Uint8Array> {
  const what = `reading bytes ${start} to ${end} of ${place.text}/${key}`;
  const missing = () =>
    new HimplosError('bad-input', `${what}: it does not have them`, {
      hint: 'the object is shorter than it should be',
    });
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start > end) throw missing();
  if (start === end) {
    const found = await headObject(place, key, signal === undefined ? {} : { signal });
    if (found === undefined) throw s3Error({ $metadata: { httpStatusCode: 404 } }, what);
    if (end > found.bytes) throw missing();
    return new Uint8Array(0);
  }
  return retrying(place.retries, what, signal, async () => {
    const output = await request(place, key, { Range: `bytes=${start}-${end - 1}` }, signal);
    const total = Number(/^bytes \d+-\d+\/(\d+)$/.exec(output.ContentRange ?? '')?.[1]);
    const length = lengthOf(output, what);
    if (total >= end && length === end - start) return collect(output, length);
    bodyOf(output).destroy();
    throw total >= end ? new BrokenBody(broken(length, end - start)) : missing();
  });
}

/** Size and etag. See `ObjectStore.head`. */
export async function headObject(
  place: S3Place,
  key: string,
  { signal }: CallOptions = {},
): Promise<{ readonly bytes: number; readonly etag: string } | undefined> {
  const what = `looking for ${place.text}/${key}`;
  return retrying(place.retries, what, signal, async () => {
    try {
      const command = new HeadObjectCommand({ Bucket: place.bucket, Key: place.prefix + key });
      const output = await place.client.send(command, abortBy(signal));
      return { bytes: lengthOf(output, what), etag: etagOf(output) };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  });
}

/** An object as a stream that goes on where it was when the connection breaks. See `ObjectStore.open`. */
export async function openObject(
  place: S3Place,
  key: string,
  { signal }: CallOptions = {},
): Promise<StoredStream> {
  const what = `reading ${place.text}/${key}`;
  const first = await retrying(place.retries, what, signal, () => request(place, key, {}, signal));
  const bytes = lengthOf(first, what);
  return { bytes, chunks: chunksOf(place, key, what, first, bytes, signal) };
}

async function* chunksOf(
  place: S3Place,
  key: string,
  what: string,
  first: GetObjectCommandOutput,
  bytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let body = bodyOf(first);
  let at = 0;
  let checksum = 0;
  // Counts attempts that brought nothing much: a long object may outlive many broken connections.
  for (let number = 1; ; number++) {
    const before = at;
    try {
      for await (const chunk of body) {
        at += chunk.length;
        if (at > bytes) throw tooLong(what, bytes);
        checksum = crc32(chunk, checksum);
        yield chunk;
      }
      if (at === bytes) break;
    } catch (error) {
      throwIfAborted(signal);
      if (error instanceof HimplosError) throw error;
      if (isChecksumMismatch(error)) throw s3Error(error, what);
      if (at === bytes) break;
      if (number >= place.retries.attempts) throw s3Error(new BrokenBody(broken(at, bytes)), what, number);
    } finally {
      body.destroy();
    }
    if (at - before >= PROGRESS_BYTES) number = 0;
    else await pause(place.retries, number, signal);
    body = await resume(place, key, what, { from: at, bytes, etag: etagOf(first) }, signal);
  }
  // The SDK checks an answer that came in one piece; this also covers one that was put together.
  if (first.ChecksumCRC32 !== undefined && !first.ChecksumCRC32.includes('-')) {
    if (first.ChecksumCRC32 !== encodeCrc32(checksum)) throw s3Error(new Error('Checksum mismatch'), what);
  }
}

async function resume(
  place: S3Place,
  key: string,
  what: string,
  { from, bytes, etag }: { readonly from: number; readonly bytes: number; readonly etag: string },
  signal: AbortSignal | undefined,
): Promise<Body> {
  return retrying(place.retries, what, signal, async () => {
    let output: GetObjectCommandOutput;
    try {
      output = await request(place, key, { Range: `bytes=${from}-`, IfMatch: quoted(etag) }, signal);
    } catch (error) {
      if (statusOf(error) === 416) throw new BrokenBody(broken(from, bytes));
      if (statusOf(error) !== 412) throw error;
      throw new HimplosError('unavailable', `${what}: it was replaced while it was read`, {
        hint: 'read it again',
      });
    }
    if (lengthOf(output, what) === bytes - from) return bodyOf(output);
    bodyOf(output).destroy();
    throw new BrokenBody(broken(from, bytes));
  });
}

/** CRC-32 as S3 writes it: four bytes, most significant first, in base 64. */
export function encodeCrc32(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString('base64');
}

/** The SDK takes no undefined signal. */
export function abortBy(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

type Body = AsyncIterable<Uint8Array> & Pick<Readable, 'destroy' | 'on'>;

async function request(
  { client, bucket, prefix }: S3Place,
  key: string,
  more: { readonly Range?: string; readonly IfMatch?: string; readonly IfNoneMatch?: string },
  signal: AbortSignal | undefined,
): Promise<GetObjectCommandOutput> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: prefix + key, ...more });
  const output = await client.send(command, abortBy(signal));
  // A connection may break before anybody reads: whoever does read is told then, nobody else needs to be.
  bodyOf(output).on('error', () => {});
  return output;
}

/** All of an answer's body in memory; its length is known and was found acceptable. */
async function collect(output: GetObjectCommandOutput, bytes: number): Promise<Uint8Array> {
  const whole = new Uint8Array(bytes);
  const body = bodyOf(output);
  let at = 0;
  try {
    for await (const chunk of body) {
      if (at + chunk.length > bytes) throw new BrokenBody(broken(at + chunk.length, bytes));
      whole.set(chunk, at);
      at += chunk.length;
    }
  } catch (error) {
    if (isChecksumMismatch(error)) throw error;
    throw new BrokenBody(broken(at, bytes));
  } finally {
    body.destroy();
  }
  if (at !== bytes) throw new BrokenBody(broken(at, bytes));
  return whole;
}

function bodyOf({ Body }: GetObjectCommandOutput): Body {
  // In Node it is always an IncomingMessage, or a stream around one.
  return Body as unknown as Body;
}

function lengthOf({ ContentLength }: { readonly ContentLength?: number | undefined }, what: string): number {
  if (ContentLength !== undefined && Number.isSafeInteger(ContentLength) && ContentLength >= 0)
    return ContentLength;
  throw new HimplosError('unsupported', `${what}: the server does not say how long it is`, {
    hint: 'expected a Content-Length, as S3 gives',
  });
}

/** Etags are compared, and sent back, without their quotes: some servers leave them out. */
export function etagOf({ ETag }: { readonly ETag?: string | undefined }): string {
  return (ETag ?? '').replaceAll('"', '');
}

/** An etag as requests that read carry it. */
function quoted(etag: string): string {
  return `"${etag}"`;
}

function broken(got: number, expected: number): string {
  return `the body ended after ${got} of ${expected} bytes`;
}

function tooLong(what: string, bytes: number): HimplosError {
  return new HimplosError('unavailable', `${what}: more than the ${bytes} bytes announced`, {
    hint: 'the server or something before it is broken',
  });
}
