import { HimplosError } from '../../shared/errors.ts';
import { badRequest } from '../../shared/protocol/limits.ts';
import { requireKey } from '../../shared/store/keys.ts';
import type { ObjectReader } from '../../shared/store/object-store.ts';
import { isAccessDenied } from '../../shared/store/s3-errors.ts';
import { IMAGE_LIMITS } from './image-limits.ts';

/** Fetches an image by its address. */
export type ReadReference = (address: string, where: string, signal: AbortSignal) => Promise<Uint8Array>;

/** References are not taken. */
export const refuseReferences: ReadReference = async (_, where) => {
  throw badRequest(`${where}: this server takes no s3:// addresses`, 'send the image itself, in base64');
};

/**
 * Takes the addresses of objects below one prefix of one bucket, and no others.
 * @param reader whose `address` is that prefix, `s3://bucket/prefix`; its keys cannot leave it
 */
export function referencesBelow(reader: ObjectReader): ReadReference {
  const root = `${reader.address}/`;
  return async (address, where, signal) => {
    if (!address.startsWith(root)) {
      throw badRequest(
        `${where}: expected an address below ${root}`,
        'other buckets and prefixes are not read',
      );
    }
    const key = address.slice(root.length);
    try {
      requireKey(key);
      return (await reader.get(key, { maxBytes: IMAGE_LIMITS.bytes, signal })).body;
    } catch (cause) {
      if (!(cause instanceof HimplosError)) throw cause;
      // Without s3:ListBucket, S3 says of absent objects that access is denied.
      const isAbsent = cause.code === 'not-found' || isAccessDenied(cause);
      const code = isAbsent ? 'not-found' : cause.code;
      const reason = isAbsent ? 'there is no such object' : cause.message;
      throw new HimplosError(code, `${where}: ${reason}`, { hint: 'check the address', cause });
    }
  };
}
