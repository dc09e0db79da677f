import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { startFakeS3 } from '../servers/fake-s3.ts';
import { hasRadosGateway, startRadosGateway } from '../servers/radosgw.ts';

/** An S3 server with a bucket called `bucket`. */
export interface S3Server {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  close(): Promise<void>;
}

/** What `startS3Server` starts, for titles. */
export const s3ServerName = hasRadosGateway ? 'Ceph’s S3' : 'a fake S3 (Ceph’s needs radosgw)';

/** Starts a real S3 server where there is one, otherwise the tests' own. */
export async function startS3Server(): Promise<S3Server> {
  if (!hasRadosGateway) return startFakeS3();
  const server = await startRadosGateway();
  const { endpoint, credentials } = server;
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  client.destroy();
  return server;
}
