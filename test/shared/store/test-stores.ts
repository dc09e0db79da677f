import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { openStore } from '../../../shared/store/open-store.ts';
import type { S3Options } from '../../../shared/store/s3-client.ts';
import { startFakeS3 } from '../../servers/fake-s3.ts';

/** An empty store, and what another process needs to open it too: both survive JSON. */
export interface TestStore {
  readonly store: ObjectStore;
  readonly address: string;
  readonly options: S3Options;
  readonly close: () => Promise<void>;
}

/** The kinds of store that everything above them is tested on. */
export const testStores: readonly { readonly kind: string; readonly open: () => Promise<TestStore> }[] = [
  { kind: 'a folder', open: openFolder },
  { kind: 'S3', open: openS3 },
];

async function openFolder(): Promise<TestStore> {
  const address = await mkdtemp(join(tmpdir(), 'himplos-store-'));
  const close = () => rm(address, { recursive: true });
  return { store: await openStore(address), address, options: {}, close };
}

async function openS3(): Promise<TestStore> {
  const { endpoint, credentials, close } = await startFakeS3();
  const address = 's3://bucket/detectors';
  const options = { endpoint, credentials, retries: { baseDelayMs: 1 } };
  return { store: await openStore(address, options), address, options, close };
}
