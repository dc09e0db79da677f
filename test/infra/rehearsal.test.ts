import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { environment as example } from '../../infra/environments/example.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { functionUrlEvent } from '../functions/events.ts';
import { makeDetector, publish } from '../functions/published.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { type LambdaHost, startLambda } from '../servers/lambda-runtime-api.ts';
import { allowed, only, roleOf, statementsOf } from './policies.ts';
import { buildInto, plain, type Synthesis, synthesize } from './synthesize-environment.ts';

const hasUnzip = spawnSync('unzip', ['-v']).status === 0;
/** What functions ask S3 for, and the action that lets them. */
const ACTIONS: Readonly<Record<string, string>> = { GET: 's3:GetObject', PUT: 's3:PutObject' };

describe.skipIf(!hasUnzip)('deployment rehearsed without AWS (needs unzip)', () => {
  let synthesis: Synthesis;
  let s3: FakeS3;
  let host: LambdaHost;
  /** What the function asked S3 for, without what the publisher did. */
  const calls: string[] = [];

  beforeAll(async () => {
    const value = { ...example, detector: 'birds', refreshSeconds: 1, recalibration: undefined };
    synthesis = await synthesize(value, await buildInto(newFolder()), newFolder());
    s3 = await startFakeS3();
  });
  afterAll(async () => {
    await host?.stop();
    await s3?.close();
  });

  /** Publishes and promotes as somebody else than the function. */
  async function publishAs(seed: number): Promise<string> {
    calls.push(...s3.log.splice(0));
    const { endpoint, credentials } = s3;
    const store = openS3Store(storeAddress(), { endpoint, credentials });
    const version = await publish(store, await makeDetector(10, 32, { seed }));
    s3.log.splice(0);
    return version;
  }

  function storeAddress(): string {
    return inBucket(only(synthesis, 'AWS::Lambda::Function').Environment.Variables.HIMPLOS_STORE);
  }

  async function score(): Promise<{ status: number; version: string }> {
    const body = JSON.stringify({ features: Array.from({ length: 32 }, (_, i) => i / 32) });
    // An HTTP API with the stage $default sends what a Function URL sends.
    const { payload, functionError } = await host.invoke(functionUrlEvent('POST', '/v1/score', body));
    expect(functionError).toBeUndefined();
    const answer = payload as APIGatewayProxyStructuredResultV2;
    return { status: answer.statusCode!, version: JSON.parse(answer.body!).artifact_version };
  }

  it('serves A from the zip, handler and variables of the template, then B, without a restart', async () => {
    const a = await publishAs(1);
    const { Handler, Environment, Code } = only(synthesis, 'AWS::Lambda::Function');
    const taskRoot = newFolder();
    const assets = JSON.parse(await readFile(join(synthesis.outdir, 'himplos-test.assets.json'), 'utf8'));
    const { source } = assets.files[Code.S3Key.replace(/\.zip$/, '')];
    expect(spawnSync('unzip', ['-q', join(synthesis.outdir, source.path), '-d', taskRoot]).status).toBe(0);
    const variables = Object.entries(Environment.Variables).map(([name, text]) => [name, inBucket(text)]);
    host = await startLambda({
      taskRoot,
      handler: Handler,
      environment: {
        ...Object.fromEntries(variables),
        // What Lambda adds, and where this S3 is.
        AWS_REGION: example.region,
        AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
        HIMPLOS_S3_ENDPOINT: s3.endpoint,
      },
    });
    expect(await score()).toEqual({ status: 200, version: a });
    const b = await publishAs(2);
    expect(b).not.toBe(a);
    let served = a;
    for (let attempt = 0; served !== b && attempt < 100; attempt++) {
      await delay(100);
      ({ version: served } = await score());
    }
    expect(served).toBe(b);
    calls.push(...s3.log.splice(0));
  });

  it('is allowed exactly what the function did', () => {
    const statements = statementsOf(synthesis, roleOf(synthesis, 'EmbeddingsRole'));
    const done = new Set(calls.map((call) => call.replace(/^(\w+) bucket\//, '$1 ')));
    const granted = Object.entries(ACTIONS).flatMap(([method, action]) =>
      allowed(statements, action).map((arn) => `${method} ${arn.replace(/^<\w+\.Arn>\//, '')}`),
    );
    expect(done.size).toBeGreaterThan(0);
    for (const call of done) {
      expect(
        granted.some((grant) => matches(grant, call)),
        `allowed: ${call}`,
      ).toBe(true);
    }
    for (const grant of granted) {
      expect(
        [...done].some((call) => matches(grant, call)),
        `used: ${grant}`,
      ).toBe(true);
    }
    const others = statements.flatMap(({ actions }) => actions).filter((action) => action.startsWith('s3:'));
    expect([...new Set(others)]).toEqual(['s3:GetObject']);
  });
});

/** Text of the template with the bucket's name filled in. */
function inBucket(text: unknown): string {
  return plain(text).replace(/<ArtifactsBucket\w+>/, 'bucket');
}

/** Whether a pattern of a policy, in which `*` stands for anything, covers a call. */
function matches(pattern: string, call: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(call);
}
