import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { allowed, grantsOf, only, roleOf, statementsOf } from './policies.ts';
import { synthesizeVariants } from './syntheses.ts';
import { ofType, plain, type Synthesis } from './synthesize-environment.ts';

describe('what serves', () => {
  let first: Synthesis;
  let second: Synthesis;
  let third: Synthesis;
  beforeAll(async () => {
    ({ first, second, third } = await synthesizeVariants());
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
    // Listing what is there to read lets it be told that something is gone.
    expect(grantsOf(statements).filter(({ action }) => action === 's3:ListBucket')).toEqual([
      { action: 's3:ListBucket', pattern: 'inbox/*' },
    ]);
    const queue = ofType(third, 'AWS::SQS::Queue').find(([id]) => id.startsWith('BulkQueue'))![1].Properties;
    expect(queue.VisibilityTimeout).toBeGreaterThanOrEqual(6 * 600);
    expect(queue.RedrivePolicy.maxReceiveCount).toBe(3);
    expect(JSON.stringify(ofType(third, 'AWS::SQS::QueuePolicy'))).toContain('"s3.amazonaws.com"');
  });

  it('runs on arm64 what is JavaScript, on x86_64 what has binaries, each by an alias', () => {
    const architectures = [first, third].flatMap((synthesis) =>
      ofType(synthesis, 'AWS::Lambda::Function').map(([id, { Properties }]) => [
        id.replace(/Function\w+$/, ''),
        Properties.Architectures[0],
      ]),
    );
    expect(Object.fromEntries(architectures)).toEqual({
      Embeddings: 'arm64',
      Images: 'x86_64',
      Bulk: 'x86_64',
    });
    expect(ofType(third, 'AWS::Lambda::Alias').map(([, { Properties }]) => Properties.Name)).toEqual([
      'live',
      'live',
    ]);
    // The queue's messages go to the alias too.
    const { FunctionName } = only(third, 'AWS::Lambda::EventSourceMapping');
    expect(JSON.stringify(FunctionName)).toMatch(/"Ref":"BulkLive\w+"/);
  });

  it('serves images by token, and lets requests name images below one prefix', () => {
    const images = ofType(third, 'AWS::Lambda::Function').find(([id]) => id.startsWith('Images'))![1]
      .Properties;
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

  it('says where it is served, as an address that paths follow without a slash between', () => {
    for (const synthesis of [first, second, third]) {
      const outputs = Object.entries<{ Value: unknown }>(JSON.parse(synthesis.text).Outputs);
      const urls = outputs.filter(([name]) => /EndpointUrl/.test(name));
      expect(urls).toHaveLength(1);
      // A Function URL is made by AWS, which ends it so: https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
      for (const [, { Value }] of urls) expect(plain(Value)).toMatch(/^https:.*\/$|\.FunctionUrl>$/);
    }
  });

  it('throttles, bounds and keeps warm as configured', () => {
    expect(only(first, 'AWS::ApiGatewayV2::Stage').DefaultRouteSettings).toMatchObject({
      ThrottlingRateLimit: 100,
      ThrottlingBurstLimit: 200,
    });
    expect(only(third, 'AWS::ApiGatewayV2::Stage').DefaultRouteSettings).toMatchObject({
      ThrottlingRateLimit: 10,
      ThrottlingBurstLimit: 20,
    });
    const [, bulk] = ofType(third, 'AWS::Lambda::Function').find(([id]) => id.startsWith('Bulk'))!;
    expect(bulk.Properties.ReservedConcurrentExecutions).toBe(4);
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
});
