import { Stack, Token, Validations } from 'aws-cdk-lib';
import type { Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { IConstruct } from 'constructs';

/** Says why findings of cdk-nag on one construct are right as they are. Identifiers are full ones: nothing else is hidden. */
export function acknowledge(scope: IConstruct, reason: string, ...ids: readonly string[]): void {
  Validations.of(scope).acknowledge(...ids.map((id) => ({ id, reason })));
}

/** The same for wildcards in the keys of a bucket that a role may use, each pattern by itself. */
export function acknowledgePatterns(
  scope: IConstruct,
  bucket: Bucket,
  patterns: readonly string[],
  reason = 'versions are named after their digests: a role cannot know them beforehand',
): void {
  const logicalId = Stack.of(bucket).getLogicalId(bucket.node.defaultChild as CfnBucket);
  acknowledge(
    scope,
    reason,
    ...patterns.map((pattern) => `AwsSolutions-IAM5[Resource::<${logicalId}.Arn>/${pattern}]`),
  );
}

/** The account as cdk-nag writes it. */
export function accountIn(scope: IConstruct): string {
  const { account } = Stack.of(scope);
  return Token.isUnresolved(account) ? '<AWS::AccountId>' : account;
}
