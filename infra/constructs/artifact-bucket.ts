import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type IBucket,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { WORK } from './bucket-layout.ts';

export interface ArtifactBucketProps {
  /** `destroy` deletes the key with the stack, and the buckets if somebody has emptied them. */
  readonly whenDeleted: 'retain' | 'destroy';
}

/** The bucket of the store: versioned, encrypted with a key of its own, reached by TLS 1.2 only, never public. */
export class ArtifactBucket extends Construct {
  readonly bucket: Bucket;
  readonly key: Key;

  constructor(scope: Construct, id: string, { whenDeleted }: ArtifactBucketProps) {
    super(scope, id);
    const removalPolicy = whenDeleted === 'destroy' ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
    const closed = {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy,
      autoDeleteObjects: false,
    };
    this.key = new Key(this, 'Key', {
      description: 'himplos: artifacts',
      enableKeyRotation: true,
      removalPolicy,
    });
    // S3 writes access logs with its own key only.
    const accessLogs = new Bucket(this, 'AccessLogs', {
      ...closed,
      encryption: BucketEncryption.S3_MANAGED,
      lifecycleRules: [{ id: 'expire', expiration: Duration.days(90) }],
    });
    this.bucket = new Bucket(this, 'Bucket', {
      ...closed,
      versioned: true,
      encryption: BucketEncryption.KMS,
      encryptionKey: this.key,
      // One call to KMS an hour instead of one an object.
      bucketKeyEnabled: true,
      serverAccessLogsBucket: accessLogs as IBucket,
      serverAccessLogsPrefix: 'artifacts/',
      lifecycleRules: [
        { id: 'abandoned-uploads', abortIncompleteMultipartUploadAfter: Duration.days(2) },
        // What was overwritten or deleted can be brought back for a quarter.
        { id: 'earlier-versions', noncurrentVersionExpiration: Duration.days(90) },
        {
          id: 'partials',
          prefix: WORK,
          expiration: Duration.days(14),
          noncurrentVersionExpiration: Duration.days(1),
        },
      ],
    });
  }
}
