import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { environment as example } from '../../infra/environments/example.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { allowed, only, roleOf, statementsOf } from './policies.ts';
import { buildInto, ofType, plain, type Synthesis, synthesize } from './synthesize-environment.ts';
import { filesAndImages, other } from './variants.ts';

describe('what serves', () => {
  let build: string;
  let first: Synthesis;
  let second: Synthesis;
  /** With the functions on images and files. Any zip will do: what is looked at is what surrounds it. */
  let third: Synthesis;
  beforeAll(async () => {
    build = await buildInto(newFolder());
    first = await synthesize(example, build, newFolder());
    second = await synthesize(other, build, newFolder());
    for (const name of ['images', 'bulk'] as const) {
      await copyFile(join(build, 'functions/embeddings.zip'), join(build, `functions/${name}.zip`));
    }
    third = await synthesize(
      { ...example, functions: filesAndImages, recalibration: undefined },
      build,
      newFolder(),
    );
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

  it('tells images and bulk nothing that they do not read', async () => {
    for (const [part, entry] of [
      ['Images', 'images/serving.ts'],
      ['Bulk', 'bulk/handler.ts'],
    ]) {
      const files = [entry, 'runtime/configuration.ts'].map((file) =>
        readFile(new URL(`../../functions/${file}`, import.meta.url), 'utf8'),
      );
      const source = (await Promise.all(files)).join();
      const [, { Properties }] = ofType(third, 'AWS::Lambda::Function').find(([id]) => id.startsWith(part!))!;
      for (const name of Object.keys(Properties.Environment.Variables)) {
        if (name.startsWith('HIMPLOS_')) expect(source, part).toContain(name);
      }
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
    expect(only(third, 'AWS::Lambda::EventSourceMapping').ScalingConfig).toEqual({ MaximumConcurrency: 4 });
    const queue = ofType(third, 'AWS::SQS::Queue').find(([id]) => id.startsWith('BulkQueue'))![1].Properties;
    expect(queue.VisibilityTimeout).toBeGreaterThanOrEqual(6 * 600);
    expect(queue.RedrivePolicy.maxReceiveCount).toBe(3);
    expect(JSON.stringify(ofType(third, 'AWS::SQS::QueuePolicy'))).toContain('"s3.amazonaws.com"');
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
});
