import { HimplosError } from '../errors.ts';
import { requirePrefix } from './keys.ts';

/** A bucket and where in it. */
export interface S3Address {
  readonly bucket: string;
  /** Empty, or ending in a slash: what every key starts with. */
  readonly prefix: string;
  /** `s3://bucket/prefix` without a slash at the end; never has anything else in it. */
  readonly text: string;
}

/** Whether an address is meant for S3. */
export function isS3Address(address: string): boolean {
  return /^s3:\/\//i.test(address);
}

/**
 * Reads `s3://bucket` or `s3://bucket/prefix`. Throws `bad-usage` for anything else: a message never repeats what
 * could be a password or a signature (`s3://key:secret@…`, `?X-Amz-Signature=…`).
 */
export function parseS3Address(address: string): S3Address {
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/is.exec(address) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || bucket.includes('..')) {
    const shown = /^[\w.-]{1,100}$/.test(bucket) ? `, got bucket ${bucket}` : '';
    throw new HimplosError('bad-usage', `expected an address like s3://bucket/prefix${shown}`, {
      hint: 'bucket names have 3 to 63 lower-case letters, digits, dots and hyphens; credentials come from the environment',
    });
  }
  if (rest.includes('?')) {
    throw new HimplosError('bad-usage', `s3://${bucket}/…: expected a plain prefix, got one with a query`, {
      hint: 'signed addresses are not supported; credentials come from the environment',
    });
  }
  const path = rest.replace(/\/$/, '');
  requirePrefix(path);
  return {
    bucket,
    prefix: path === '' ? '' : `${path}/`,
    text: path === '' ? `s3://${bucket}` : `s3://${bucket}/${path}`,
  };
}
