import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { environment as example } from '../../infra/environments/example.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { type LambdaHost, startLambda } from '../servers/lambda-runtime-api.ts';
import { type S3Call, type S3Gate, startS3Gate } from '../servers/s3-gate.ts';
import { covers, type Grant, grantsOf, roleOf, statementsOf } from './policies.ts';
import type { S3Server } from './s3-server.ts';
import { ofType, plain, type Synthesis } from './synthesize-environment.ts';

/** Whether zips can be unpacked as Lambda does, by somebody else's program. */
export const hasUnzip = spawnSync('unzip', ['-v']).status === 0;

/** A function as a template describes it, running. */
export interface DeployedFunction {
  readonly host: LambdaHost;
  /** What its role allows. */
  readonly grants: readonly Grant[];
  /** What it asked S3 for. */
  readonly gate: S3Gate;
  stop(): Promise<void>;
}

/**
 * Runs the function whose logical id begins with `name`: zip, handler, variables, timeout and memory are those of the
 * template; of S3 it reaches what its role allows.
 * @param interfere whether to refuse a call that the role allows
 */
export async function deploy(
  synthesis: Synthesis,
  name: string,
  server: S3Server,
  interfere: (call: S3Call) => boolean = () => false,
): Promise<DeployedFunction> {
  const found = ofType(synthesis, 'AWS::Lambda::Function').filter(([id]) => id.startsWith(name));
  expect(found, name).toHaveLength(1);
  const { Code, Environment, Handler, MemorySize, Role, Runtime, Timeout } = found[0]![1].Properties;
  expect(Runtime).toBe(`nodejs${process.versions.node.split('.')[0]}.x`);
  const role = roleOf(synthesis, `${name}Role`);
  expect(plain(Role)).toBe(`<${role}.Arn>`);
  const grants = grantsOf(statementsOf(synthesis, role));
  const gate = await startS3Gate(
    server.endpoint,
    (call) => grants.some((grant) => covers(grant, call)) && !interfere(call),
  );
  const host = await startLambda({
    taskRoot: await unpackAsset(synthesis, Code.S3Key),
    handler: Handler,
    timeoutMs: Timeout * 1000,
    memoryMb: MemorySize,
    environment: {
      ...Object.fromEntries(
        Object.entries(Environment.Variables).map(([key, value]) => [key, inBucket(value)]),
      ),
      // What Lambda adds, a disk of its own, and where this S3 is.
      AWS_REGION: example.region,
      AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      TMPDIR: newFolder(),
      HIMPLOS_S3_ENDPOINT: gate.endpoint,
    },
  });
  return {
    host,
    grants,
    gate,
    stop: async () => {
      await host.stop();
      await gate.close();
    },
  };
}

/** Text of the template with the bucket's name filled in. */
export function inBucket(text: unknown): string {
  return plain(text).replace(/<ArtifactsBucket\w+>/, 'bucket');
}

async function unpackAsset({ outdir }: Synthesis, key: string): Promise<string> {
  const assets = JSON.parse(await readFile(join(outdir, 'himplos-test.assets.json'), 'utf8'));
  const { source } = assets.files[key.replace(/\.zip$/, '')];
  const folder = newFolder();
  expect(spawnSync('unzip', ['-q', join(outdir, source.path), '-d', folder]).status).toBe(0);
  return folder;
}
