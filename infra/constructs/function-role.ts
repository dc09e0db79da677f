import { Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

export interface FunctionRoleProps {
  readonly logGroup: ILogGroup;
  readonly bucket: Bucket;
  readonly key: IKey;
  /** Keys, or patterns of keys, that the function reads. */
  readonly reads: readonly string[];
  /** Patterns of keys that it writes. */
  readonly writes?: readonly string[];
  /** Prefixes below which it is told when an object is not there. */
  readonly lists?: readonly string[];
}

/**
 * A role that can write its own log and reach the objects it is told: no managed policies (CDK adds the function's own
 * dead-letter queue). Without listing, S3 answers 403 instead of 404 for an object that is not there.
 */
export function functionRole(scope: Construct, id: string, props: FunctionRoleProps): Role {
  const { logGroup, bucket, key, reads, writes = [], lists = [] } = props;
  const role = new Role(scope, id, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  const allow = (sid: string, actions: string[], resources: string[]) =>
    role.addToPolicy(new PolicyStatement({ sid, effect: Effect.ALLOW, actions, resources }));
  allow('WriteLog', ['logs:CreateLogStream', 'logs:PutLogEvents'], [`${logGroup.logGroupArn}`]);
  allow(
    'ReadObjects',
    ['s3:GetObject'],
    reads.map((pattern) => bucket.arnForObjects(pattern)),
  );
  if (writes.length > 0) {
    allow(
      'WriteObjects',
      ['s3:PutObject', 's3:AbortMultipartUpload'],
      writes.map((pattern) => bucket.arnForObjects(pattern)),
    );
  }
  if (lists.length > 0) role.addToPolicy(listingBelow(bucket, lists));
  role.addToPolicy(throughS3(scope, key, writes.length > 0));
  return role;
}

/**
 * Listing of what lies below prefixes, and being told 404 of objects there: S3 takes an object's key for the prefix then,
 * as Ceph's developers found (https://github.com/ceph/ceph/pull/68577).
 */
export function listingBelow(bucket: Bucket, prefixes: readonly string[]): PolicyStatement {
  return new PolicyStatement({
    sid: 'ListObjects',
    actions: ['s3:ListBucket'],
    resources: [bucket.bucketArn],
    conditions: { StringLike: { 's3:prefix': prefixes.map((prefix) => `${prefix}*`) } },
  });
}

/** Use of the bucket's key, but only by S3 on the role's behalf. */
export function throughS3(scope: Construct, key: IKey, canWrite: boolean): PolicyStatement {
  const { region, urlSuffix } = Stack.of(scope);
  return new PolicyStatement({
    sid: 'UseKeyThroughS3',
    actions: canWrite ? ['kms:Decrypt', 'kms:GenerateDataKey'] : ['kms:Decrypt'],
    resources: [key.keyArn],
    conditions: { StringEquals: { 'kms:ViaService': `s3.${region}.${urlSuffix}` } },
  });
}
