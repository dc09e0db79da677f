import { openS3Store } from '../../../shared/store/s3-store.ts';
import { startFakeS3 } from '../../servers/fake-s3.ts';
import { describeObjectStore } from './contract-suite.ts';

const retries = { baseDelayMs: 1 };

describeObjectStore('S3 (in-process server)', async () => {
  const { endpoint, credentials, close } = await startFakeS3();
  const store = openS3Store('s3://bucket/some/prefix', { endpoint, credentials, retries });
  return { store, maxKeyBytes: 1024 - 'some/prefix/'.length, close };
});

describeObjectStore('S3 (in-process server) in parts and pages, without checksums, with 409s', async () => {
  const fake = await startFakeS3();
  const { endpoint, credentials, close } = fake;
  fake.pageSize = 2;
  let puts = 0;
  fake.faults.push({
    effect: { kind: 'status', status: 409, code: 'ConditionalRequestConflict' },
    on: ({ method }) => method === 'PUT' && ++puts % 3 === 0,
    times: Number.POSITIVE_INFINITY,
  });
  const options = { endpoint, credentials, partBytes: 40_000, checksums: 'when-required' } as const;
  // Of twenty writers that race, one in forty times one would meet each of six attempts' 409s.
  const patient = { ...retries, attempts: 20 };
  return { store: openS3Store('s3://bucket', { ...options, retries: patient }), close };
});
