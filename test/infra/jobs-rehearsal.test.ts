import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runJob, UNCHANGED } from '../../infra/container/job.ts';
import type { Tool } from '../../infra/container/run-tool.ts';
import { environment as example } from '../../infra/environments/example.ts';
import { encodeNpy } from '../../shared/formats/npy.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { f32 } from '../../shared/tensor.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { randomNormals } from '../shared/random.ts';
import { allowed, roleOf, type Statement, statementsOf } from './policies.ts';
import { buildInto, ofType, plain, type Synthesis, synthesize } from './synthesize-environment.ts';

const TOOL = fileURLToPath(new URL('../../calibrate/bin.ts', import.meta.url));
const SHARDS = 2;
const CLASSES = 3;
const WIDTH = 6;

interface Call {
  readonly action: string;
  /** A key, or for listings the prefix. */
  readonly of: string;
}

const ACTIONS: Readonly<Record<string, string>> = {
  GET: 's3:GetObject',
  HEAD: 's3:GetObject',
  PUT: 's3:PutObject',
  POST: 's3:PutObject',
  DELETE: 's3:DeleteObject',
};

describe('recalibration rehearsed without AWS', () => {
  let synthesis: Synthesis;
  let s3: FakeS3;
  let call: Call[] = [];
  const calls: Record<string, Call[]> = { Shard: [], Merge: [], Promote: [] };

  beforeAll(async () => {
    const sources = (role: string) => `{input}/${role}.npy:${role}.labels.npy`;
    const calibrate = [
      ...['--head', 'weight.npy:bias.npy', '--train', sources('train')],
      ...['--calibration', sources('calibration'), '--evaluation', sources('evaluation')],
      ...['--ood', 'other={input}/other.npy'],
    ];
    const value = {
      ...example,
      detector: 'birds',
      recalibration: {
        ...example.recalibration!,
        ...{ shards: SHARDS, calibrate, merge: ['--head', 'weight.npy:bias.npy'] },
        // Rows of their own that fail by chance once in a million.
        gates: { coverageProbability: 0.999999 },
      },
    };
    synthesis = await synthesize(value, await buildInto(newFolder()), newFolder());
    s3 = await startFakeS3();
    await putInputs(s3);
    s3.hook = ({ method, key, query }, moment) => {
      if (moment === 'after') return;
      if (key === '') call.push({ action: 's3:ListBucket', of: query.get('prefix') ?? '' });
      else call.push({ action: ACTIONS[method]!, of: key });
    };
  });
  afterAll(() => s3.close());

  /** Runs a job with the command and variables of the template; resolves to its exit status. */
  async function job(name: 'Shard' | 'Merge' | 'Promote', run: string, index = 0): Promise<number> {
    const definition = ofType(synthesis, 'AWS::Batch::JobDefinition').find(([id]) =>
      id.startsWith(`RecalibrationJobs${name}`),
    )![1].Properties.ContainerProperties;
    const given = Object.fromEntries(
      definition.Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [
        Name,
        plain(Value).replace(/<ArtifactsBucket\w+>/, 'bucket'),
      ]),
    ) as Record<string, string>;
    const { endpoint, credentials } = s3;
    const environment = {
      ...given,
      // What the state machine, Batch and the role's credentials add; and where this S3 is.
      HIMPLOS_PARTIALS: `s3://bucket/work/birds/${run}`,
      HIMPLOS_RUN: run,
      AWS_BATCH_JOB_ARRAY_INDEX: String(index),
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      HIMPLOS_S3_ENDPOINT: endpoint,
    };
    const client = new S3Client({ endpoint, credentials, region: 'eu-central-1', forcePathStyle: true });
    const folder = newFolder();
    call = [];
    const status = await runJob(definition.Command[0], {
      ...{ environment, s3: client, folder },
      tool: toolWith(environment),
    });
    calls[name]!.push(...call);
    return status;
  }

  async function night(run: string): Promise<number> {
    for (let index = 0; index < SHARDS; index++) expect(await job('Shard', run, index)).toBe(0);
    expect(await job('Merge', run)).toBe(0);
    return job('Promote', run);
  }

  it('calibrates in shards, merges, publishes and promotes', async () => {
    expect(await night('night-1')).toBe(0);
    const channels = [...s3.objects.keys()].filter((key) => key.includes('/channels/'));
    expect(channels.sort()).toEqual([
      'bucket/store/birds/channels/candidate.json',
      'bucket/store/birds/channels/production.json',
    ]);
  });

  it('changes nothing of the store when the same input is calibrated again', async () => {
    const stored = () => [...s3.objects].filter(([key]) => key.startsWith('bucket/store/'));
    const before = stored();
    expect(await night('night-2')).toBe(UNCHANGED);
    expect(stored()).toEqual(before);
  });

  it('refuses to merge when a shard is missing', async () => {
    expect(await job('Shard', 'night-3', 0)).toBe(0);
    expect(await job('Merge', 'night-3')).toBe(2);
  });

  it.each(['Shard', 'Merge', 'Promote'])('allows all that %s did', (name) => {
    const statements = statementsOf(synthesis, roleOf(synthesis, `RecalibrationJobs${name}Role`));
    expect(calls[name]!.length).toBeGreaterThan(0);
    for (const { action, of } of calls[name]!) {
      const patterns =
        action === 's3:ListBucket'
          ? listable(statements)
          : allowed(statements, action).map((arn) => arn.replace(/^<\w+\.Arn>\//, ''));
      expect(
        patterns.some((pattern) => covers(pattern, of)),
        `${name}: ${action} ${of}`,
      ).toBe(true);
    }
  });

  it.each(['Shard', 'Merge', 'Promote'])('allows %s to write nothing that it did not write', (name) => {
    const statements = statementsOf(synthesis, roleOf(synthesis, `RecalibrationJobs${name}Role`));
    const written = calls[name]!.filter(({ action }) => action === 's3:PutObject').map(({ of }) => of);
    for (const arn of allowed(statements, 's3:PutObject')) {
      const pattern = arn.replace(/^<\w+\.Arn>\//, '');
      expect(
        written.some((key) => covers(pattern, key)),
        `${name}: ${pattern}`,
      ).toBe(true);
    }
  });
});

/** Features of three classes, and some of none, as their owner puts them into the bucket. */
async function putInputs({ endpoint, credentials }: FakeS3): Promise<void> {
  const store = openS3Store('s3://bucket/input/birds', { endpoint, credentials });
  const weight = Float32Array.from({ length: CLASSES * WIDTH }, (_, i) =>
    (i % WIDTH) % CLASSES === Math.floor(i / WIDTH) ? 1 : -0.25,
  );
  await store.put('local/weight.npy', encodeNpy(f32(weight, CLASSES, WIDTH)));
  await store.put('local/bias.npy', encodeNpy(f32(new Float32Array(CLASSES), CLASSES)));
  const rows = 600;
  for (const [seed, role] of ['train', 'calibration', 'evaluation', 'other'].entries()) {
    const normal = randomNormals(seed);
    const features = Float32Array.from({ length: rows * WIDTH }, (_, i) => {
      const isOwn = (i % WIDTH) % CLASSES === Math.floor(i / WIDTH) % CLASSES;
      return Math.max(0, (role !== 'other' && isOwn ? 3 : 0.8) + 0.7 * normal());
    });
    const labels = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row % CLASSES));
    await store.put(`${role}.npy`, encodeNpy(f32(features, rows, WIDTH)));
    await store.put(`${role}.labels.npy`, encodeNpy({ dtype: 'I64', shape: [rows], data: labels }));
  }
}

/** The tool from its sources, where the image has it bundled. */
function toolWith(environment: Readonly<Record<string, string>>): Tool {
  return async (args, folder) => {
    const child = spawn(process.execPath, [TOOL, ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    const [status] = await once(child, 'close');
    // What a job is to make of a status is what is tested; a bug should not look like one of them.
    if (status === 70) throw new Error(`${args[0]}: ${errors}${output}`);
    return { status, output };
  };
}

/** Prefixes that may be listed. */
function listable(statements: readonly Statement[]): readonly string[] {
  return statements
    .filter(({ actions }) => actions.includes('s3:ListBucket'))
    .flatMap(({ conditions }) =>
      [(conditions as { StringLike: { 's3:prefix': string[] } }).StringLike['s3:prefix']].flat(),
    );
}

/** Whether a pattern that ends in `*`, or is a key, covers a key. */
function covers(pattern: string, key: string): boolean {
  return pattern.endsWith('*') ? key.startsWith(pattern.slice(0, -1)) : key === pattern;
}
