import { createHash } from 'node:crypto';
import http, { type Agent, type IncomingMessage } from 'node:http';
import { HimplosError } from '../../shared/errors.ts';
import { requireKey } from '../../shared/store/keys.ts';
import type { GetOptions, ObjectReader, StoredObject } from '../../shared/store/object-store.ts';
import { parseS3Address } from '../../shared/store/s3-address.ts';
import { BrokenBody } from '../../shared/store/s3-errors.ts';
import { type RetryPolicy, retrying } from '../../shared/store/s3-retries.ts';
import { type Credentials, encodePath, signGet } from './sign-request.ts';

export interface S3ReaderOptions {
  readonly region: string;
  /** `http(s)://host[:port]` of another server than AWS; the bucket then stands in the path. */
  readonly endpoint?: string | undefined;
  /** Asked for with every request: a container's credentials are replaced while it lives. */
  readonly credentials: () => Credentials;
}

/** Some 2 s of pauses in all, within the cache's own deadline. */
const RETRIES: RetryPolicy = { attempts: 5, baseDelayMs: 50, maxDelayMs: 1000 };
/** How long a connection may be silent. */
const SILENCE_MS = 2000;

/**
 * Reads objects of an S3 bucket, which is all a function does with one. The AWS SDK would be 110 KB more of zip and
 * 40 ms more of start-up (rationale.md); `openS3Store` is the complete client. Errors as `ObjectStore` states.
 */
export function openS3Reader(address: string, options: S3ReaderOptions): ObjectReader {
  const { bucket, prefix, text } = parseS3Address(address);
  const { origin, base } = locate(bucket, options);
  const isSecure = origin.protocol === 'https:';
  // TLS takes 10 ms to load: only where it is spoken.
  const protocol = isSecure ? process.getBuiltinModule('node:https') : http;
  const agent: Agent = new protocol.Agent({ keepAlive: true });

  async function send(
    key: string,
    etag: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const path = base + encodePath(prefix + key);
    const headers = signGet(
      { host: origin.host, path, region: options.region },
      options.credentials(),
      new Date(),
    );
    return new Promise((resolve, reject) => {
      const request = protocol.request(
        {
          host: origin.hostname,
          port: origin.port || undefined,
          path,
          headers: { ...headers, ...(etag !== undefined && { 'if-none-match': etag }) },
          agent,
          timeout: SILENCE_MS,
          ...(signal !== undefined && { signal }),
        },
        resolve,
      );
      request.on('timeout', () => request.destroy(new BrokenBody(`no answer for ${SILENCE_MS} ms`)));
      request.on('error', reject);
      request.end();
    });
  }

  function read(
    key: string,
    { maxBytes, signal }: GetOptions,
    etag?: string,
  ): Promise<StoredObject | undefined> {
    requireKey(prefix + key);
    const what = `reading ${text}/${key}`;
    return retrying(RETRIES, what, signal, async () => {
      const response = await send(key, etag, signal);
      if (response.statusCode === 304) {
        response.resume();
        return undefined;
      }
      if (response.statusCode !== 200) throw await refusal(response);
      const bytes = Number(response.headers['content-length'] ?? Number.NaN);
      if (!Number.isSafeInteger(bytes) || bytes > maxBytes) {
        response.destroy();
        if (!Number.isSafeInteger(bytes)) throw new BrokenBody('the answer does not say how long it is');
        throw new HimplosError('too-large', `${what}: expected at most ${maxBytes} bytes, got ${bytes}`, {
          hint: 'look at what is stored there, or raise the limit',
        });
      }
      return { ...(await collect(response, bytes)), etag: response.headers.etag ?? '' };
    });
  }

  return {
    address: text,
    get: async (key, options) => (await read(key, options))!,
    getIfChanged: (key, etag, options) => read(key, options, etag),
  };
}

/** Credentials as Lambda gives them. Throws `unavailable`. */
export function environmentCredentials(): Credentials {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
  if (AWS_ACCESS_KEY_ID === undefined || AWS_SECRET_ACCESS_KEY === undefined) {
    throw new HimplosError('unavailable', 'there are no credentials in the environment', {
      hint: 'give the function a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    });
  }
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN !== undefined && { sessionToken: AWS_SESSION_TOKEN }),
  };
}

function locate(bucket: string, { region, endpoint }: S3ReaderOptions): { origin: URL; base: string } {
  if (endpoint !== undefined) return { origin: new URL(endpoint), base: `/${bucket}/` };
  const domain = `s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
  // A bucket with dots has no certificate as a host name.
  if (bucket.includes('.')) return { origin: new URL(`https://${domain}`), base: `/${bucket}/` };
  return { origin: new URL(`https://${bucket}.${domain}`), base: '/' };
}

/** The whole body, into memory that is allocated once, and its digest, computed while the next bytes are on their way. */
async function collect(response: IncomingMessage, bytes: number): Promise<Omit<StoredObject, 'etag'>> {
  const body = new Uint8Array(bytes);
  const hash = createHash('sha256');
  let at = 0;
  // A server that stops in the middle without hanging up.
  response.socket.setTimeout(SILENCE_MS);
  // Events instead of `for await`: 250 promises less in a cold start.
  await new Promise<void>((resolve, reject) => {
    response.on('data', (chunk: Uint8Array) => {
      if (at + chunk.length <= bytes) {
        body.set(chunk, at);
        hash.update(chunk);
      }
      at += chunk.length;
    });
    response.on('end', resolve);
    response.on('error', reject);
    response.on('close', () => reject(new BrokenBody('the connection was closed')));
  });
  if (at !== bytes) throw new BrokenBody(`the body had ${at} bytes instead of ${bytes}`);
  return { body, sha256: hash.digest('hex') };
}

/** What the server says instead of an object, in the form that s3-errors.ts knows. */
async function refusal(response: IncomingMessage): Promise<Error> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > 4096) break;
  }
  const name = /<Code>(\w{1,100})<\/Code>/.exec(text)?.[1] ?? '';
  return Object.assign(new Error(name), {
    name,
    $metadata: { httpStatusCode: response.statusCode },
  });
}
