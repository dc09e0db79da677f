import { HimplosError } from '../../shared/errors.ts';
import { requireKey } from '../../shared/store/keys.ts';
import type { GetOptions, ObjectReader, StoredObject } from '../../shared/store/object-store.ts';
import { parseS3Address } from '../../shared/store/s3-address.ts';
import { type RetryPolicy, retrying } from '../../shared/store/s3-retries.ts';
import type { GetAnswer } from './arriving-answer.ts';
import { openHttpGet } from './http-get.ts';
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
/** What a server says instead of an object. */
const MAX_REFUSAL_BYTES = 64 * 1024;

/**
 * Reads objects of an S3 bucket, which is all a function does with one. The AWS SDK would be 110 KB more of zip and
 * 40 ms more of start-up (rationale.md); `openS3Store` is the complete client. Errors as `ObjectStore` states.
 */
export function openS3Reader(address: string, options: S3ReaderOptions): ObjectReader {
  const { bucket, prefix, text } = parseS3Address(address);
  const { origin, base } = locate(bucket, options);
  const get = openHttpGet(origin, SILENCE_MS);

  function read(
    key: string,
    { maxBytes, signal, onPart, allocate }: GetOptions,
    etag?: string,
  ): Promise<StoredObject | undefined> {
    requireKey(prefix + key);
    const path = base + encodePath(prefix + key);
    const what = `reading ${text}/${key}`;
    const allow = (status: number, bytes: number) => {
      if (bytes <= (status === 200 ? maxBytes : MAX_REFUSAL_BYTES)) return;
      if (status !== 200) throw statusError(status, '');
      throw new HimplosError('too-large', `${what}: expected at most ${maxBytes} bytes, got ${bytes}`, {
        hint: 'look at what is stored there, or raise the limit',
      });
    };
    return retrying(RETRIES, what, signal, async () => {
      const place = { host: origin.host, path, region: options.region };
      const signed = signGet(place, options.credentials(), new Date());
      const headers = etag === undefined ? signed : { ...signed, 'if-none-match': etag };
      const answer = await get({ path, headers, allow, signal, onPart, allocate });
      if (answer.status === 304) return undefined;
      if (answer.status !== 200) throw refusal(answer);
      return { body: answer.body, sha256: answer.sha256, etag: answer.headers.get('etag') ?? '' };
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

/** What the server says instead of an object, in the form that s3-errors.ts knows. */
function refusal({ status, body }: GetAnswer): Error {
  return statusError(status, /<Code>(\w{1,100})<\/Code>/.exec(new TextDecoder().decode(body))?.[1] ?? '');
}

function statusError(httpStatusCode: number, name: string): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });
}
