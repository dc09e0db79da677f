import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openS3Store } from '../../../shared/store/s3-store.ts';
import { startFakeS3 } from '../../servers/fake-s3.ts';
import { describeObjectStore } from './contract-suite.ts';

describeObjectStore('S3 (in-process server)', async () => {
  const fake = await startFakeS3();
  const { endpoint, credentials } = fake;
  const store = openS3Store('s3://bucket/some/prefix', {
    endpoint,
    credentials,
    retries: { baseDelayMs: 1 },
  });
  return { store, close: () => fake.close() };
});

describeObjectStore('S3 (in-process server), in parts and pages', async () => {
  const fake = await startFakeS3();
  fake.pageSize = 2;
  const { endpoint, credentials } = fake;
  const store = openS3Store('s3://bucket', {
    endpoint,
    credentials,
    partBytes: 40_000,
    checksums: 'when-required',
    retries: { baseDelayMs: 1 },
  });
  return { store, close: () => fake.close() };
});
