import { HimplosError } from '../errors.ts';
import { openFileStore } from './file-store.ts';
import type { ObjectStore } from './object-store.ts';
import { isS3Address } from './s3-address.ts';
import type { S3Options } from './s3-client.ts';

/**
 * Opens a store by its address: `s3://bucket/prefix`, or the path of a folder. Throws `bad-usage` for any other kind
 * of address. The S3 client is loaded (some 50 ms) only where it is needed.
 */
export async function openStore(address: string, options: S3Options = {}): Promise<ObjectStore> {
  if (isS3Address(address)) return (await import('./s3-store.ts')).openS3Store(address, options);
  const scheme = /^([a-z][a-z\d+.-]+):\/\//i.exec(address)?.[1];
  if (address === '' || scheme !== undefined) {
    throw new HimplosError(
      'bad-usage',
      `expected a folder or s3://bucket/prefix, got ${scheme === undefined ? 'nothing' : `an address that starts with ${scheme}://`}`,
      { hint: 'for other S3 servers than AWS give s3://bucket and the endpoint' },
    );
  }
  return openFileStore(address);
}
