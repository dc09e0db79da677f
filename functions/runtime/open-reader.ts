import type { ObjectReader } from '../../shared/store/object-store.ts';
import { isS3Address } from '../../shared/store/s3-address.ts';
import type { Configuration } from './configuration.ts';
import { environmentCredentials, openS3Reader } from './s3-reader.ts';

/** The store that a function is told to read: a bucket, or a folder (mounted, or on a machine of one's own). */
export function openReader({ store, s3Endpoint }: Configuration): ObjectReader {
  if (!isS3Address(store)) return openFolder(store);
  return openS3Reader(store, {
    region: process.env.AWS_REGION ?? 'us-east-1',
    endpoint: s3Endpoint,
    credentials: environmentCredentials,
  });
}

/** Node's promises of files take 10 ms to load: only where files are read. */
function openFolder(root: string): ObjectReader {
  const opened = import('../../shared/store/file-store.ts').then(({ openFileStore }) => openFileStore(root));
  // A failure shows where something is read.
  opened.catch(() => undefined);
  return {
    address: root,
    get: async (key, options) => (await opened).get(key, options),
    getIfChanged: async (key, etag, options) => (await opened).getIfChanged(key, etag, options),
  };
}
