import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { findBuildOutputs } from '../../infra/config/build-outputs.ts';
import { environment as example } from '../../infra/environments/example.ts';
import { makeApp } from '../../infra/synthesize.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { only, statementsOf } from './policies.ts';
import { synthesizeVariants } from './syntheses.ts';
import { NOW, ofType, plain, type Synthesis, synthesize } from './synthesize-environment.ts';

describe('synthesised template', () => {
  let build: string;
  let first: Synthesis;
  let second: Synthesis;
  let third: Synthesis;
  beforeAll(async () => {
    ({ build, first, second, third } = await synthesizeVariants());
  });
  afterEach(() => void vi.unstubAllEnvs());

  it('is the same, byte for byte, when it is synthesised again', async () => {
    expect((await synthesize(example, build, newFolder())).text).toBe(first.text);
  });

  it('needs nothing looked up and carries no account or date', async () => {
    const manifest = JSON.parse(await readFile(join(first.outdir, 'manifest.json'), 'utf8'));
    expect(manifest.missing ?? []).toEqual([]);
    expect(first.text).not.toMatch(/\b\d{12}\b|20\d\d-\d\d-\d\dT/);
  });

  it('has no finding of cdk-nag that is not explained, one by one', () => {
    for (const synthesis of [first, second, third]) expect(synthesis.findings).toEqual([]);
  });

  it('explains every rule it sets aside, and narrows it to one finding or one construct', () => {
    for (const { acknowledged } of [first, second, third]) {
      expect(acknowledged.length).toBeGreaterThan(5);
      for (const { path, id, reason } of acknowledged) {
        expect(reason.length, id).toBeGreaterThan(30);
        expect(path.split('/').length, id).toBeGreaterThan(1);
        expect(id).toMatch(/AwsSolutions-(IAM[45]\[(Resource|Policy)::.+\]|SQS3)$/);
      }
    }
  });

  it.each(['true', 'false'])(
    'is refused by cdk-nag when something in it is open, with CDK_VALIDATION=%s',
    (mode) => {
      vi.stubEnv('CDK_VALIDATION', mode);
      const { app, stack } = makeApp({
        label: 'open',
        value: { ...example, recalibration: undefined },
        now: NOW,
        outdir: newFolder(),
        outputs: (environment) => findBuildOutputs(environment, build),
      });
      new Bucket(stack, 'Open');
      expect(() => app.synth()).toThrow(/AwsSolutions-S10/);
    },
  );

  it('contains the zip that was built, byte for byte', async () => {
    const built = await readFile(join(build, 'functions/embeddings.zip'));
    const assets = JSON.parse(await readFile(join(first.outdir, 'himplos-test.assets.json'), 'utf8'));
    const key = only(first, 'AWS::Lambda::Function').Code.S3Key as string;
    const { source } = assets.files[key.replace(/\.zip$/, '')];
    expect(await readFile(join(first.outdir, source.path))).toEqual(built);
  });

  it('keeps every bucket private, encrypted, owned and TLS only; the artifacts versioned with a key of their own', () => {
    for (const synthesis of [first, second, third]) {
      const buckets = ofType(synthesis, 'AWS::S3::Bucket');
      expect(buckets).toHaveLength(2);
      for (const [id, { Properties }] of buckets) {
        expect(Properties.PublicAccessBlockConfiguration).toEqual({
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        });
        expect(Properties.OwnershipControls.Rules).toEqual([{ ObjectOwnership: 'BucketOwnerEnforced' }]);
        expect(Properties.BucketEncryption).toBeDefined();
        const [policy] = ofType(synthesis, 'AWS::S3::BucketPolicy').filter(
          ([, resource]) => plain(resource.Properties.Bucket) === `<${id}>`,
        );
        const denied = policy![1].Properties.PolicyDocument.Statement.filter(
          ({ Effect }: { Effect: string }) => Effect === 'Deny',
        ).map(({ Condition }: { Condition: unknown }) => JSON.stringify(Condition));
        expect(denied).toContain('{"Bool":{"aws:SecureTransport":"false"}}');
        expect(denied).toContain('{"NumericLessThan":{"s3:TlsVersion":1.2}}');
      }
      const artifacts = buckets.find(([id]) => id.startsWith('ArtifactsBucket'))![1].Properties;
      expect(artifacts.VersioningConfiguration).toEqual({ Status: 'Enabled' });
      const [rule] = artifacts.BucketEncryption.ServerSideEncryptionConfiguration;
      expect(rule.BucketKeyEnabled).toBe(true);
      expect(rule.ServerSideEncryptionByDefault.SSEAlgorithm).toBe('aws:kms');
      expect(plain(rule.ServerSideEncryptionByDefault.KMSMasterKeyID)).toMatch(/^<ArtifactsKey\w+\.Arn>$/);
      expect(artifacts.LoggingConfiguration).toBeDefined();
      const rules = artifacts.LifecycleConfiguration.Rules as readonly Record<string, unknown>[];
      expect(rules.map(({ Id }) => Id)).toEqual(['abandoned-uploads', 'earlier-versions', 'partials']);
      // Nothing but partials ever expires in its current version.
      expect(rules.filter((rule) => 'ExpirationInDays' in rule).map(({ Prefix }) => Prefix)).toEqual([
        'work/',
      ]);
    }
    for (const [, { Properties }] of ofType(first, 'AWS::KMS::Key')) {
      expect(Properties.EnableKeyRotation).toBe(true);
    }
  });

  it('keeps artifacts when the stack is deleted, unless it is told otherwise', () => {
    const policyOf = (synthesis: Synthesis) => {
      const [, bucket] = ofType(synthesis, 'AWS::S3::Bucket').find(([id]) =>
        id.startsWith('ArtifactsBucket'),
      )!;
      return (bucket as unknown as { DeletionPolicy: string }).DeletionPolicy;
    };
    expect([policyOf(first), policyOf(second)]).toEqual(['Retain', 'Delete']);
  });

  it('gives no role every action on anything, and every resource only where AWS has no narrower one', () => {
    for (const synthesis of [first, second, third]) {
      for (const [id] of ofType(synthesis, 'AWS::IAM::Role')) {
        if (synthesis.resources[id]!.Properties.ManagedPolicyArns !== undefined) continue;
        for (const { actions, resources } of statementsOf(synthesis, id)) {
          for (const action of actions) expect(action).toMatch(/^[a-z0-9-]+:[A-Za-z]+$/);
          if (!resources.includes('*')) continue;
          for (const action of actions) {
            expect(action).toMatch(
              /^(batch:DescribeJobs|ecr:GetAuthorizationToken|xray:\w+|logs:(Create|Get|Update|Delete|List)LogDelivery|logs:ListLogDeliveries|logs:(Put|Describe)ResourcePolic(y|ies)|logs:DescribeLogGroups)$/,
            );
          }
        }
      }
    }
  });

  it('keeps what failed in encrypted queues that take TLS only', () => {
    for (const [synthesis, expected] of [
      [first, 2],
      [second, 2],
      // Of images, of bulk, and bulk's own.
      [third, 3],
    ] as const) {
      const queues = ofType(synthesis, 'AWS::SQS::Queue');
      expect(queues).toHaveLength(expected);
      for (const [id, { Properties }] of queues) {
        expect(Properties.SqsManagedSseEnabled).toBe(true);
        const policy = ofType(synthesis, 'AWS::SQS::QueuePolicy').find(
          ([, resource]) => plain(resource.Properties.Queues[0]) === `<${id}>`,
        )!;
        expect(JSON.stringify(policy[1].Properties)).toContain('"aws:SecureTransport":"false"');
      }
      for (const [id, { Properties }] of ofType(synthesis, 'AWS::Lambda::Function')) {
        // What bulk is asked to do waits in its queue, which has the dead letters.
        if (!id.startsWith('Bulk')) expect(Properties.DeadLetterConfig, id).toBeDefined();
      }
      for (const [, { Properties }] of ofType(synthesis, 'AWS::Scheduler::Schedule')) {
        expect(Properties.Target.DeadLetterConfig).toBeDefined();
      }
    }
  });

  it('ends every log, and lets functions, jobs and state machine write to no other', () => {
    for (const synthesis of [first, second, third]) {
      const logs = ofType(synthesis, 'AWS::Logs::LogGroup');
      for (const [id, { Properties }] of logs) expect(Properties.RetentionInDays, id).toBe(30);
      const known = logs.map(([id]) => `<${id}>`);
      for (const [id, { Properties }] of ofType(synthesis, 'AWS::Lambda::Function')) {
        expect(known, id).toContain(plain(Properties.LoggingConfig.LogGroup));
      }
      for (const [id, { Properties }] of ofType(synthesis, 'AWS::Batch::JobDefinition')) {
        const { Options } = Properties.ContainerProperties.LogConfiguration;
        expect(known, id).toContain(plain(Options['awslogs-group']));
      }
      for (const [, { Properties }] of ofType(synthesis, 'AWS::StepFunctions::StateMachine')) {
        const [{ CloudWatchLogsLogGroup }] = Properties.LoggingConfiguration.Destinations;
        expect(known).toContain(plain(CloudWatchLogsLogGroup.LogGroupArn).replace('.Arn', ''));
      }
    }
  });
});
