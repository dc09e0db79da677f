import { HimplosError } from '../errors.ts';

/** A body that ended early, or is longer than announced: worth another attempt. */
export class BrokenBody extends Error {
  override readonly name = 'BrokenBody';
}

/** HTTP status of an answer that the SDK reports as an error; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  return (error as SdkError | null)?.$metadata?.httpStatusCode;
}

/** S3's own name for what went wrong, such as `NoSuchKey`. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

/** Whether an answer says that a condition does not hold: 412, or 404 where an object was to be replaced. */
export function isRefusal(error: unknown, isConditional: boolean): boolean {
  const status = statusOf(error);
  return status === 412 || (status === 404 && isConditional && nameOf(error) === 'NoSuchKey');
}

/** The error for a condition that does not hold. */
export function conflict(what: string, reason: string): HimplosError {
  return new HimplosError('conflict', `${what}: it was not written: ${reason}`, {
    hint: 'read it again and decide anew',
  });
}

/** Whether the server denies access; also of what {@link s3Error} has made of its answer. */
export function isAccessDenied(error: unknown): boolean {
  const answer = error instanceof HimplosError ? error.cause : error;
  const status = statusOf(answer);
  return (status === 401 || status === 403) && nameOf(answer) !== SKEWED;
}

/** Whether bytes arrived that are not those the server has a checksum of. */
export function isChecksumMismatch(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Checksum mismatch');
}

/**
 * Whether the same request may well succeed in a moment: no answer or a broken one, a server's own trouble, too many
 * requests, a conditional write that met another one (409), a clock that the SDK has just corrected.
 */
export function isPassing(error: unknown): boolean {
  if (error instanceof HimplosError) return false;
  if (error instanceof BrokenBody || isChecksumMismatch(error)) return true;
  const { $metadata, code, name } = error as SdkError;
  if ($metadata?.clockSkewCorrected === true) return true;
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) {
    return status >= 500 ? status !== 501 : PASSING_STATUSES.has(status) || PASSING_NAMES.has(name);
  }
  return name === 'TimeoutError' || (code !== undefined && NETWORK_CODES.has(code));
}

/**
 * Translates what the SDK throws. `what` says what was being done, with the address. Of the SDK's error the cause keeps
 * name, status and reason: it carries the request's headers, key ids and the text that was signed.
 */
export function s3Error(error: unknown, what: string, attempts = 1): HimplosError {
  if (error instanceof HimplosError) return error;
  const status = statusOf(error);
  const name = nameOf(error);
  const tried = attempts > 1 ? ` (tried ${attempts} times)` : '';
  const cause = Object.assign(new Error(describe(error)), { name, $metadata: { httpStatusCode: status } });
  const fail = (code: HimplosError['code'], reason: string, hint: string) =>
    new HimplosError(code, `${what}: ${reason}${tried}`, { hint, cause });

  if (name === 'NoSuchBucket')
    return fail('not-found', 'there is no such bucket', 'create it, or check its name');
  if (name === 'NoSuchKey' || status === 404) {
    return fail('not-found', 'there is no such object', 'check the address');
  }
  if (status === 412)
    return fail('conflict', 'somebody else has changed it', 'read it again and decide anew');
  if (status === 416)
    return fail('bad-input', 'it does not have these bytes', 'it is shorter than it should be');
  if (isChecksumMismatch(error)) {
    return fail('bad-artifact', 'its bytes do not have its checksum', 'it is damaged: write it again');
  }
  if (name === 'CredentialsProviderError' || (status === undefined && /credential/i.test(messageOf(error)))) {
    return fail(
      'unavailable',
      'there are no usable credentials',
      'set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    );
  }
  if (/region is missing/i.test(messageOf(error))) {
    return fail('bad-usage', 'no region is known', 'set AWS_REGION or --region');
  }
  if (status === 301 || name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed') {
    return fail('bad-usage', 'the bucket is in another region', 'set AWS_REGION or --region to where it is');
  }
  if (name === SKEWED) {
    return fail('unavailable', 'the clocks of this machine and the server differ too much', 'set the clock');
  }
  if (isAccessDenied(error)) {
    return fail(
      'unavailable',
      `access is denied (${name})`,
      'check the credentials and what they allow; without s3:ListBucket S3 says this of absent objects too',
    );
  }
  if (status === 501) {
    return fail(
      'unsupported',
      `the server does not know this kind of request (${name})`,
      'it needs conditional writes',
    );
  }
  return fail('unavailable', describe(error), 'check network, endpoint and server, then run it again');
}

interface SdkError {
  readonly name: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly clockSkewCorrected?: boolean };
}

/** Name, status and reason in one line, without addresses (they may be signed) and key ids. */
function describe(error: unknown): string {
  const status = statusOf(error);
  const name = nameOf(error);
  const reason = messageOf(error)
    .replace(/https?:\/\/\S+/gi, '…')
    .replace(/\b(?:AKIA|ASIA)[A-Z0-9]+/g, '…')
    .replace(/\s+/g, ' ')
    .slice(0, 200);
  const label = [name === 'Error' ? '' : name, status ?? ''].filter((part) => part !== '').join(' ');
  return [label, reason].filter((part) => part !== '').join(': ') || 'no answer';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const SKEWED = 'RequestTimeTooSkewed';
const PASSING_STATUSES = new Set([408, 409, 425, 429]);
const PASSING_NAMES = new Set([
  'RequestTimeout',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
]);
const NETWORK_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'HPE_INVALID_CONSTANT',
]);
