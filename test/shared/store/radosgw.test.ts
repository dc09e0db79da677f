import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe } from 'vitest';
import { openS3Store } from '../../../shared/store/s3-store.ts';
import {
  hasRadosGateway,
  needsRadosGateway,
  type RadosGateway,
  startRadosGateway,
} from '../../servers/radosgw.ts';
import { describeObjectStore } from './contract-suite.ts';

describe.skipIf(!hasRadosGateway)(`Ceph RADOS Gateway (${needsRadosGateway})`, () => {
  let gateway: RadosGateway;
  let buckets = 0;
  beforeAll(async () => {
    gateway = await startRadosGateway();
  });
  afterAll(() => gateway?.close());

  async function open(partBytes?: number) {
    const { endpoint, credentials } = gateway;
    const bucket = `bucket-${++buckets}`;
    const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const options = { endpoint, credentials, ...(partBytes === undefined ? {} : { partBytes }) };
    return { store: openS3Store(`s3://${bucket}`, options), close: async () => {} };
  }

  describeObjectStore('Ceph', () => open());
  describeObjectStore('Ceph, large objects in parts', () => open(5 * 1024 * 1024));
});
