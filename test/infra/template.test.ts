import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { findBuildOutputs } from '../../infra/config/build-outputs.ts';
import type { EnvironmentInput } from '../../infra/config/environment.ts';
import { environment as example } from '../../infra/environments/example.ts';
import { makeApp } from '../../infra/synthesize.ts';
import { buildFolder, NOW, ofType, plain, type Synthesis, synthesize } from './synthesize-environment.ts';

/** Everything that the example leaves out. */
const other: EnvironmentInput = {
  account: '111111111111',
  region: 'us-east-1',
  detector: 'flowers',
  channel: 'blue',
  artifacts: 'destroy',
  functions: {
    embeddings: {
      memoryMegabytes: 512,
      timeoutSeconds: 8,
      provisionedConcurrency: 2,
      access: { type: 'function-url' },
    },
  },
  alarms: { email: 'ops@example.com', oodSharePercent: 12 },
  recalibration: {
    schedule: 'rate(1 day)',
    shards: 16,
    compute: { type: 'gpu', instanceClass: 'g5', cpus: 4, memoryGibibytes: 14, maxInstanceCpus: 64 },
    calibrate: ['--model', 'model.onnx', '--train', 'train.tar', '--calibration', 'calibration.tar'],
    merge: ['--model', 'model.onnx'],
    gates: { maxAccuracyDrop: 0.02 },
  },
};

const filesAndImages: EnvironmentInput['functions'] = {
  images: {
    memoryMegabytes: 3008,
    timeoutSeconds: 29,
    references: true,
    access: {
      type: 'http-api',
      authorization: { type: 'jwt', issuer: 'https://id.example.com', audience: ['himplos'] },
      requestsPerSecond: 10,
      burst: 20,
    },
  },
  bulk: { memoryMegabytes: 1024, timeoutSeconds: 600, reservedConcurrency: 4 },
};

interface Statement {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions: unknown;
}

/** What a role's policies allow; throws for one that denies or is managed. */
function statementsOf(synthesis: Synthesis, roleId: string): readonly Statement[] {
  const role = synthesis.resources[roleId]!.Properties;
  expect(role.ManagedPolicyArns, roleId).toBeUndefined();
  expect(role.Policies, roleId).toBeUndefined();
  const policies = ofType(synthesis, 'AWS::IAM::Policy').filter(([, { Properties }]) =>
    Properties.Roles.some((reference: unknown) => plain(reference) === `<${roleId}>`),
  );
  return policies.flatMap(([, { Properties }]) =>
    Properties.PolicyDocument.Statement.map(
      // biome-ignore lint/suspicious/noExplicitAny: a policy's JSON
      ({ Effect, Action, Resource, Condition }: any) => {
        expect(Effect).toBe('Allow');
        return {
          actions: [Action].flat(),
          resources: [Resource].flat().map(plain),
          conditions: Condition,
        };
      },
    ),
  );
}

function allowed(statements: readonly Statement[], action: string): readonly string[] {
  return statements
    .filter(({ actions }) => actions.includes(action))
    .flatMap(({ resources }) => resources)
    .sort();
}

function roleOf(synthesis: Synthesis, part: string): string {
  const found = ofType(synthesis, 'AWS::IAM::Role').filter(([id]) => id.startsWith(part));
  expect(found, part).toHaveLength(1);
  return found[0]![0];
}

function only(synthesis: Synthesis, type: string) {
  const found = ofType(synthesis, type);
  expect(found, type).toHaveLength(1);
  return found[0]![1].Properties;
}

describe('synthesised template', () => {
  let build: string;
  let first: Synthesis;
  let second: Synthesis;
  /** With the functions on images and files. Any zip will do: what is looked at is what surrounds it. */
  let third: Synthesis;
  beforeAll(async () => {
    build = await buildFolder();
    first = await synthesize(example, build);
    second = await synthesize(other, build);
    for (const name of ['images', 'bulk'] as const) {
      await copyFile(join(build, 'functions/embeddings.zip'), join(build, `functions/${name}.zip`));
    }
    third = await synthesize({ ...example, functions: filesAndImages, recalibration: undefined }, build);
  });

  it('is the same, byte for byte, when it is synthesised again', async () => {
    expect((await synthesize(example, build)).text).toBe(first.text);
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

  it('is refused by cdk-nag when something in it is open', () => {
    const { app, stack } = makeApp({
      label: 'open',
      value: { ...example, recalibration: undefined },
      now: NOW,
      outputs: (environment) => findBuildOutputs(environment, build),
    });
    new Bucket(stack, 'Open');
    expect(() => app.synth()).toThrow(/AwsSolutions-S10/);
  });

  it('contains the zip that was built, byte for byte', async () => {
    const built = await readFile(join(build, 'functions/embeddings.zip'));
    const assets = JSON.parse(await readFile(join(first.outdir, 'himplos-test.assets.json'), 'utf8'));
    const key = only(first, 'AWS::Lambda::Function').Code.S3Key as string;
    const { source } = assets.files[key.replace(/\.zip$/, '')];
    expect(await readFile(join(first.outdir, source.path))).toEqual(built);
  });

  it('keeps every bucket private, encrypted, owned and TLS only; the artifacts versioned with a key of their own', () => {
    for (const synthesis of [first, second]) {
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

  it("lets the function read its detector's channel and versions, and do nothing else to any object", () => {
    for (const [synthesis, detector, channel] of [
      [first, 'example', 'production'],
      [second, 'flowers', 'blue'],
    ] as const) {
      const statements = statementsOf(synthesis, roleOf(synthesis, 'EmbeddingsRole'));
      const actions = statements.flatMap((statement) => statement.actions);
      expect(actions.filter((action) => action.startsWith('s3:'))).toEqual(['s3:GetObject']);
      expect(allowed(statements, 's3:GetObject')).toEqual([
        expect.stringMatching(
          new RegExp(`^<ArtifactsBucket\\w+\\.Arn>/store/${detector}/channels/${channel}\\.json$`),
        ),
        expect.stringMatching(
          new RegExp(`^<ArtifactsBucket\\w+\\.Arn>/store/${detector}/versions/\\*/detector\\.safetensors$`),
        ),
      ]);
      expect([...new Set(actions)].sort()).toEqual([
        'kms:Decrypt',
        'logs:CreateLogStream',
        'logs:PutLogEvents',
        's3:GetObject',
        'sqs:SendMessage',
      ]);
      const key = statements.find((statement) => statement.actions.includes('kms:Decrypt'))!;
      expect(JSON.stringify(key.conditions)).toContain('kms:ViaService');
    }
  });

  it('lets bulk read the inbox and write scores, and lets no output start it again', () => {
    const statements = statementsOf(third, roleOf(third, 'BulkRole'));
    const keys = (action: string) =>
      allowed(statements, action).map((arn) => arn.replace(/^<\w+\.Arn>\//, ''));
    expect(keys('s3:PutObject')).toEqual(['scores/*']);
    expect(keys('s3:GetObject')).toEqual([
      'inbox/*',
      'store/example/channels/production.json',
      'store/example/versions/*/detector.onnx',
      'store/example/versions/*/detector.safetensors',
      'store/example/versions/*/manifest.json',
    ]);
    const bucket = ofType(third, 'AWS::S3::Bucket').find(([id]) => id.startsWith('ArtifactsBucket'))![1];
    const [notification, ...more] = bucket.Properties.NotificationConfiguration.QueueConfigurations;
    expect(more).toEqual([]);
    expect(notification.Filter.S3Key.Rules).toEqual([{ Name: 'prefix', Value: 'inbox/' }]);
    expect(only(third, 'AWS::Lambda::EventSourceMapping').FunctionResponseTypes).toEqual([
      'ReportBatchItemFailures',
    ]);
    const queue = ofType(third, 'AWS::SQS::Queue').find(([id]) => id.startsWith('BulkQueue'))![1].Properties;
    expect(queue.VisibilityTimeout).toBeGreaterThanOrEqual(6 * 600);
    expect(queue.RedrivePolicy.maxReceiveCount).toBe(3);
  });

  it('serves images on x86_64, by token, and lets requests name images below one prefix', () => {
    const images = ofType(third, 'AWS::Lambda::Function').find(([id]) => id.startsWith('Images'))![1]
      .Properties;
    expect(images.Architectures).toEqual(['x86_64']);
    expect(images.EphemeralStorage).toEqual({ Size: 1024 });
    expect(plain(images.Environment.Variables.HIMPLOS_IMAGES)).toMatch(/^s3:\/\/<\w+>\/images$/);
    expect(allowed(statementsOf(third, roleOf(third, 'ImagesRole')), 's3:GetObject')).toHaveLength(5);
    for (const [, { Properties }] of ofType(third, 'AWS::ApiGatewayV2::Route')) {
      expect(Properties.AuthorizationType).toBe('JWT');
    }
    expect(only(third, 'AWS::ApiGatewayV2::Authorizer').JwtConfiguration).toEqual({
      Audience: ['himplos'],
      Issuer: 'https://id.example.com',
    });
  });

  it('lets no job write what is served but promotion, and no job delete anything', () => {
    const writes = (part: string) =>
      allowed(statementsOf(first, roleOf(first, `RecalibrationJobs${part}Role`)), 's3:PutObject').map((arn) =>
        arn.replace(/^<\w+\.Arn>\//, ''),
      );
    expect(writes('Shard')).toEqual(['work/example/*']);
    expect(writes('Merge')).toEqual([
      'store/example/channels/candidate.json',
      'store/example/pins/*',
      'store/example/versions/*',
    ]);
    expect(writes('Promote')).toEqual(['store/example/channels/production.json', 'store/example/pins/*']);
    expect(first.text).not.toContain('s3:Delete');
  });

  it('gives no role every action on anything, and every resource only where AWS has no narrower one', () => {
    for (const synthesis of [first, second]) {
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

  it('serves by an alias, to signed requests only', () => {
    expect(only(first, 'AWS::Lambda::Alias').Name).toBe('live');
    for (const [, { Properties }] of ofType(first, 'AWS::ApiGatewayV2::Route')) {
      expect(Properties.AuthorizationType).toBe('AWS_IAM');
    }
    expect(ofType(first, 'AWS::ApiGatewayV2::Route').length).toBeGreaterThan(0);
    expect(ofType(first, 'AWS::Lambda::Url')).toEqual([]);
    expect(only(second, 'AWS::Lambda::Url').AuthType).toBe('AWS_IAM');
    expect(ofType(second, 'AWS::ApiGatewayV2::Api')).toEqual([]);
    // Whoever else may invoke is API Gateway, for this API's routes.
    for (const synthesis of [first, second]) {
      for (const [, { Properties }] of ofType(synthesis, 'AWS::Lambda::Permission')) {
        expect(Properties.Principal).toBe('apigateway.amazonaws.com');
        expect(plain(Properties.SourceArn)).toContain(':<EmbeddingsEndpointApi');
      }
    }
  });

  it('throttles, bounds and keeps warm as configured', () => {
    expect(only(first, 'AWS::ApiGatewayV2::Stage').DefaultRouteSettings).toMatchObject({
      ThrottlingRateLimit: 100,
      ThrottlingBurstLimit: 200,
    });
    expect(only(first, 'AWS::Lambda::Function').ReservedConcurrentExecutions).toBe(50);
    expect(only(first, 'AWS::Lambda::Alias').ProvisionedConcurrencyConfig).toBeUndefined();
    expect(only(second, 'AWS::Lambda::Function').ReservedConcurrentExecutions).toBeUndefined();
    expect(only(second, 'AWS::Lambda::Alias').ProvisionedConcurrencyConfig).toEqual({
      ProvisionedConcurrentExecutions: 2,
    });
  });

  it('tells the function what functions/runtime/configuration.ts reads', async () => {
    const source = await readFile(
      new URL('../../functions/runtime/configuration.ts', import.meta.url),
      'utf8',
    );
    const { Runtime, Architectures, Handler, Environment, Timeout } = only(first, 'AWS::Lambda::Function');
    expect([Runtime, Architectures, Handler]).toEqual(['nodejs24.x', ['arm64'], 'index.handler']);
    const names = Object.keys(Environment.Variables).filter((name) => name.startsWith('HIMPLOS_'));
    for (const name of names) expect(source).toContain(name);
    const known = [...source.matchAll(/'(HIMPLOS_\w+)'|environment\.(HIMPLOS_\w+)/g)].map(
      (m) => m[1] ?? m[2],
    );
    // All but the endpoint, which is for servers that are not AWS.
    expect([...new Set(known)].filter((name) => !names.includes(name!))).toEqual(['HIMPLOS_S3_ENDPOINT']);
    expect(plain(Environment.Variables.HIMPLOS_STORE)).toMatch(/^s3:\/\/<ArtifactsBucket\w+>\/store$/);
    expect(Number(Environment.Variables.HIMPLOS_LOAD_TIMEOUT_SECONDS)).toBeLessThan(Timeout);
  });

  it('keeps what failed in encrypted queues that take TLS only, and ends every log', () => {
    for (const synthesis of [first, second]) {
      const queues = ofType(synthesis, 'AWS::SQS::Queue');
      expect(queues).toHaveLength(2);
      for (const [id, { Properties }] of queues) {
        expect(Properties.SqsManagedSseEnabled).toBe(true);
        const policy = ofType(synthesis, 'AWS::SQS::QueuePolicy').find(
          ([, resource]) => plain(resource.Properties.Queues[0]) === `<${id}>`,
        )!;
        expect(JSON.stringify(policy[1].Properties)).toContain('"aws:SecureTransport":"false"');
      }
      expect(only(synthesis, 'AWS::Lambda::Function').DeadLetterConfig).toBeDefined();
      expect(only(synthesis, 'AWS::Scheduler::Schedule').Target.DeadLetterConfig).toBeDefined();
      for (const [, { Properties }] of ofType(synthesis, 'AWS::Logs::LogGroup')) {
        expect(Properties.RetentionInDays).toBe(30);
      }
    }
  });

  it('raises an alarm to an encrypted topic for everything that should wake somebody', () => {
    const alarms = ofType(first, 'AWS::CloudWatch::Alarm');
    const topic = `<${ofType(first, 'AWS::SNS::Topic')[0]![0]}>`;
    for (const [, { Properties }] of alarms) {
      expect(Properties.AlarmActions.map(plain)).toEqual([topic]);
      expect(Properties.TreatMissingData).toBe('notBreaching');
    }
    expect(alarms.map(([, { Properties }]) => Properties.MetricName as string).sort()).toEqual([
      'ApproximateNumberOfMessagesVisible',
      'ApproximateNumberOfMessagesVisible',
      'ArtifactAge',
      'Duration',
      'Errors',
      'ExecutionsFailed',
      'ExecutionsTimedOut',
      'Failures',
      'OodShare',
      'RefreshFailures',
      'Throttles',
    ]);
    const p99 = alarms.find(([, { Properties }]) => Properties.MetricName === 'Duration')![1].Properties;
    expect(p99.ExtendedStatistic).toBe('p99');
    expect(only(first, 'AWS::SNS::Topic').KmsMasterKeyId).toBeDefined();
    expect(only(second, 'AWS::SNS::Subscription')).toMatchObject({
      Protocol: 'email',
      Endpoint: 'ops@example.com',
    });
  });

  it('watches and draws metrics that functions write, by the dimensions they write', async () => {
    const source = await readFile(new URL('../../functions/runtime/telemetry.ts', import.meta.url), 'utf8');
    const own = ofType(first, 'AWS::CloudWatch::Alarm').filter(
      ([, { Properties }]) => Properties.Namespace === 'himplos',
    );
    expect(own).toHaveLength(4);
    for (const [, { Properties }] of own) {
      expect(source).toContain(`'${Properties.MetricName}'`);
      expect(Properties.Dimensions).toEqual([
        { Name: 'detector', Value: 'example' },
        { Name: 'service', Value: 'himplos' },
      ]);
    }
    expect(source).toContain("serviceName: 'himplos'");
    expect(source).toContain('defaultDimensions: { detector }');
    const body = plain(only(first, 'AWS::CloudWatch::Dashboard').DashboardBody);
    for (const name of body.match(/(?<="himplos",")\w+/g) ?? []) {
      expect(source).toContain(name.replace(/^ScoreTenth\d+$/, 'ScoreTenth'));
    }
    expect(body).toContain('ScoreTenth10');
  });

  it('runs jobs that nothing outside can reach, without administrator or privileges', () => {
    for (const synthesis of [first, second]) {
      for (const [, { Properties }] of ofType(synthesis, 'AWS::EC2::SecurityGroup')) {
        expect(Properties.SecurityGroupIngress).toBeUndefined();
        expect(Properties.SecurityGroupEgress).toEqual([
          expect.objectContaining({ FromPort: 443, ToPort: 443, IpProtocol: 'tcp' }),
        ]);
      }
      const jobs = ofType(synthesis, 'AWS::Batch::JobDefinition');
      expect(jobs).toHaveLength(3);
      for (const [, { Properties }] of jobs) {
        expect(Properties.ContainerProperties.Privileged).toBeFalsy();
        const exits = Properties.RetryStrategy.EvaluateOnExit as readonly Record<string, string>[];
        expect(exits.filter(({ Action }) => Action === 'EXIT').map(({ OnExitCode }) => OnExitCode)).toEqual([
          '1',
          '2',
          '3',
          '70',
        ]);
        expect(exits.at(-1)).toEqual({ Action: 'RETRY', OnReason: '*' });
      }
    }
  });

  it('calibrates on Fargate or on GPUs, as configured', () => {
    const shardJob = (synthesis: Synthesis) =>
      ofType(synthesis, 'AWS::Batch::JobDefinition').find(([id]) => id.includes('Shard'))![1].Properties;
    expect(shardJob(first).PlatformCapabilities).toEqual(['FARGATE']);
    expect(shardJob(second).PlatformCapabilities).toEqual(['EC2']);
    expect(shardJob(second).ContainerProperties.ResourceRequirements).toContainEqual({
      Type: 'GPU',
      Value: '1',
    });
    const machines = only(second, 'AWS::EC2::LaunchTemplate').LaunchTemplateData;
    expect(machines.MetadataOptions).toMatchObject({ HttpTokens: 'required', HttpPutResponseHopLimit: 1 });
    expect(machines.BlockDeviceMappings[0].Ebs.Encrypted).toBe(true);
  });

  it('starts on schedule, and only the state machine', () => {
    const { ScheduleExpression, ScheduleExpressionTimezone, State } = only(first, 'AWS::Scheduler::Schedule');
    expect([ScheduleExpression, ScheduleExpressionTimezone, State]).toEqual([
      'cron(0 3 ? * SUN *)',
      'Europe/Berlin',
      'DISABLED',
    ]);
    expect(only(second, 'AWS::Scheduler::Schedule').State).toBe('ENABLED');
    const role = ofType(first, 'AWS::IAM::Role').find(([, { Properties }]) =>
      JSON.stringify(Properties.AssumeRolePolicyDocument).includes('scheduler.amazonaws.com'),
    )![0];
    expect(allowed(statementsOf(first, role), 'states:StartExecution')).toEqual([
      expect.stringMatching(/^<RecalibrationStateMachine\w+>$/),
    ]);
  });
});
