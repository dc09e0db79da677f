import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UNCHANGED } from '../../infra/container/job.ts';
import { environment as example } from '../../infra/environments/example.ts';
import { encodeNpy } from '../../shared/formats/npy.ts';
import type { ListedObject, ObjectStore } from '../../shared/store/object-store.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { f32, type Tensor } from '../../shared/tensor.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { type S3Call, startS3Gate } from '../servers/s3-gate.ts';
import { randomNormals } from '../shared/random.ts';
import { type AssembledImage, assembleImage, imageOf, runImage } from './container-image.ts';
import { inBucket } from './deployed-function.ts';
import { covers, grantsOf, roleOf, statementsOf, unused } from './policies.ts';
import { type S3Server, s3ServerName, startS3Server } from './s3-server.ts';
import { buildInto, ofType, type Synthesis, synthesize } from './synthesize-environment.ts';

const SHARDS = 2;
const CLASSES = 3;
const WIDTH = 6;

type JobName = 'Shard' | 'Merge' | 'Promote';

describe(`recalibration rehearsed without AWS, on ${s3ServerName}`, () => {
  let synthesis: Synthesis;
  let image: AssembledImage;
  let server: S3Server;
  let store: ObjectStore;
  /** What each job asked S3 for, and what its role did not allow. */
  const allowed: Record<JobName, S3Call[]> = { Shard: [], Merge: [], Promote: [] };
  const denied: Record<JobName, S3Call[]> = { Shard: [], Merge: [], Promote: [] };

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
    const { context, target } = await imageOf(synthesis);
    image = await assembleImage(context, target);
    server = await startS3Server();
    store = openS3Store('s3://bucket', { endpoint: server.endpoint, credentials: server.credentials });
    await putInputs(store);
  });
  afterAll(() => server?.close());

  function grantsOfJob(name: JobName) {
    return grantsOf(statementsOf(synthesis, roleOf(synthesis, `RecalibrationJobs${name}Role`)));
  }

  /** Runs a job from the image's files, with the command, variables and rights of the template; resolves to its exit status. */
  async function job(name: JobName, run: string, index = 0): Promise<number> {
    const definition = ofType(synthesis, 'AWS::Batch::JobDefinition').find(([id]) =>
      id.startsWith(`RecalibrationJobs${name}`),
    )![1].Properties.ContainerProperties;
    const given = definition.Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [
      Name,
      inBucket(Value),
    ]);
    const grants = grantsOfJob(name);
    const gate = await startS3Gate(server.endpoint, (call) => grants.some((grant) => covers(grant, call)));
    const { accessKeyId, secretAccessKey } = server.credentials;
    const { status, log } = await runImage(image, definition.Command, {
      ...Object.fromEntries(given),
      // What the state machine, Batch and the role's credentials add; and where this S3 is.
      HIMPLOS_PARTIALS: `s3://bucket/work/birds/${run}`,
      HIMPLOS_RUN: run,
      AWS_BATCH_JOB_ARRAY_INDEX: String(index),
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_ENDPOINT_URL_S3: gate.endpoint,
    });
    await gate.close();
    allowed[name].push(...gate.allowed);
    denied[name].push(...gate.denied);
    // What a job is to make of a status is what is tested; a bug should not look like one of them.
    if (![0, 1, 2, 3].includes(status)) throw new Error(`${name}: exit status ${status}\n${log}`);
    return status;
  }

  async function night(run: string): Promise<number> {
    for (let index = 0; index < SHARDS; index++) expect(await job('Shard', run, index)).toBe(0);
    expect(await job('Merge', run)).toBe(0);
    return job('Promote', run);
  }

  async function stored() {
    const objects: ListedObject[] = [];
    for await (const object of store.list('store/')) objects.push(object);
    return objects;
  }

  async function channel(name: string): Promise<{ readonly version: string }> {
    const { body } = await store.get(`store/birds/channels/${name}.json`, { maxBytes: 1e6 });
    return JSON.parse(new TextDecoder().decode(body));
  }

  it('calibrates in shards, merges, publishes and promotes', async () => {
    expect(await night('night-1')).toBe(0);
    const channels = (await stored()).map(({ key }) => key).filter((key) => key.includes('/channels/'));
    expect(channels.sort()).toEqual([
      'store/birds/channels/candidate.json',
      'store/birds/channels/production.json',
    ]);
  });

  it('changes nothing of the store when the same input is calibrated again', async () => {
    const before = await stored();
    expect(await night('night-2')).toBe(UNCHANGED);
    expect(await stored()).toEqual(before);
  });

  it('publishes what fails a gate, and leaves the served channel as it was', async () => {
    const served = await channel('production');
    // Other rows to measure on: the versions cannot be compared.
    await putSamples(store, 'evaluation', 7);
    expect(await night('night-3')).toBe(1);
    expect(await channel('production')).toEqual(served);
    expect((await channel('candidate')).version).not.toBe(served.version);
  });

  it('refuses to merge when a shard is missing', async () => {
    expect(await job('Shard', 'night-4', 0)).toBe(0);
    expect(await job('Merge', 'night-4')).toBe(2);
  });

  it.each(['Shard', 'Merge', 'Promote'] as const)('lets %s do all it does, and no more', (name) => {
    expect(denied[name]).toEqual([]);
    expect(allowed[name].length).toBeGreaterThan(0);
    // Uploads in parts are given up only when they fail.
    const grants = grantsOfJob(name).filter(({ action }) => action !== 's3:AbortMultipartUpload');
    expect(unused(grants, allowed[name])).toEqual([]);
  });
});

/** The head and the samples, as their owner puts them into the bucket. */
async function putInputs(store: ObjectStore): Promise<void> {
  const weight = Float32Array.from({ length: CLASSES * WIDTH }, (_, i) =>
    (i % WIDTH) % CLASSES === Math.floor(i / WIDTH) ? 1 : -0.25,
  );
  await put(store, 'local/weight.npy', f32(weight, CLASSES, WIDTH));
  await put(store, 'local/bias.npy', f32(new Float32Array(CLASSES), CLASSES));
  for (const [seed, role] of ['train', 'calibration', 'evaluation', 'other'].entries())
    await putSamples(store, role, seed);
}

/** Features of three classes, or, as `other`, of none. */
async function putSamples(store: ObjectStore, role: string, seed: number): Promise<void> {
  const rows = 600;
  const normal = randomNormals(seed);
  const features = Float32Array.from({ length: rows * WIDTH }, (_, i) => {
    const isOwn = (i % WIDTH) % CLASSES === Math.floor(i / WIDTH) % CLASSES;
    return Math.max(0, (role !== 'other' && isOwn ? 3 : 0.8) + 0.7 * normal());
  });
  const labels = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row % CLASSES));
  await put(store, `${role}.npy`, f32(features, rows, WIDTH));
  await put(store, `${role}.labels.npy`, { dtype: 'I64', shape: [rows], data: labels });
}

async function put(store: ObjectStore, name: string, tensor: Tensor): Promise<void> {
  await store.put(`input/birds/${name}`, encodeNpy(tensor));
}
