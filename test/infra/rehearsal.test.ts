import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataSetPaths } from '../../demo/write-data-set.ts';
import { environment as example } from '../../infra/environments/example.ts';
import { encodeNpy } from '../../shared/formats/npy.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { f32 } from '../../shared/tensor.ts';
import { calibrateDemoDetector, runQuietly } from '../calibrate/demo-detector.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { functionUrlEvent } from '../functions/events.ts';
import type { LambdaHost } from '../servers/lambda-runtime-api.ts';
import { hasRadosGateway } from '../servers/radosgw.ts';
import { type DeployedFunction, deploy, hasUnzip, inBucket } from './deployed-function.ts';
import { unused } from './policies.ts';
import { type S3Server, s3ServerName, startS3Server } from './s3-server.ts';
import { buildInto, ofType, type Synthesis, synthesize } from './synthesize-environment.ts';
import { filesAndImages } from './variants.ts';

/** The binaries of the zips are those of x86_64 Linux. */
const canRun = hasUnzip && process.platform === 'linux' && process.arch === 'x64';
const DETECTOR = 'drawings';
const WIDTH = 96;
/** Enough for scores of more than 8 MiB, which are uploaded in parts. */
const ROWS = 60_000;

const title = `deployment rehearsed without AWS, on ${s3ServerName} (needs unzip and x86_64 Linux)`;
describe.skipIf(!canRun)(title, () => {
  let synthesis: Synthesis;
  let server: S3Server;
  let store: ObjectStore;
  let embeddings: DeployedFunction;
  let images: DeployedFunction;
  let bulk: DeployedFunction;
  /** Pictures that no version was calibrated on. */
  let pictures: Buffer[];
  const folders: Record<'a' | 'b', string> = { a: '', b: '' };
  /** Writes that bulk's S3 takes before it refuses one. */
  let writesLeft = Number.POSITIVE_INFINITY;

  beforeAll(async () => {
    server = await startS3Server();
    const { endpoint, credentials } = server;
    store = openS3Store('s3://bucket', { endpoint, credentials });
    for (const [version, mask] of [
      ['a', 50],
      ['b', 40],
    ] as const) {
      const folder = newFolder();
      const evaluation = join(folder, dataSetPaths.test);
      const options = ['--method', `himplos:mask=${mask}`, '--evaluation', evaluation];
      const demo = await calibrateDemoDetector(folder, options);
      folders[version] = demo.detector;
      pictures = picturesBelow(demo.test);
    }
    const value = {
      ...example,
      ...{ detector: DETECTOR, refreshSeconds: 1, recalibration: undefined },
      functions: { ...example.functions, ...filesAndImages },
    };
    const build = await buildInto(newFolder(), ['embeddings', 'images', 'bulk']);
    synthesis = await synthesize(value, build, newFolder());
    for (const [i, picture] of pictures.entries()) {
      await store.put(`images/${i}.png`, picture);
      await store.put(`inbox/photos/${i}.png`, picture);
    }
  }, 300_000);
  afterAll(async () => {
    for (const deployed of [embeddings, images, bulk]) await deployed?.stop();
    await server?.close();
  });

  /** Publishes and promotes from the command line, as somebody else than the functions. */
  async function publish(folder: string): Promise<string> {
    process.env.AWS_ACCESS_KEY_ID = server.credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = server.credentials.secretAccessKey;
    const [[, { Properties }]] = ofType(synthesis, 'AWS::Lambda::Function') as [
      [string, Synthesis['resources'][string]],
    ];
    const address = inBucket(Properties.Environment.Variables.HIMPLOS_STORE);
    const named = [
      ...['--store', address, '--endpoint', server.endpoint],
      ...['--region', 'us-east-1', '--name', DETECTOR],
    ];
    const { version } = JSON.parse(await runQuietly(['publish', folder, ...named, '--json']));
    await runQuietly(['promote', version, ...named, '--by', 'test', '--reason', 'rehearsal']);
    return version;
  }

  async function scoreFeatures(): Promise<string> {
    const features = Array.from({ length: WIDTH }, (_, i) => i / WIDTH);
    return answerOf(embeddings.host, '/v1/score', JSON.stringify({ features }));
  }

  async function scoreImages(): Promise<string> {
    const given = ['s3://bucket/images/0.png', pictures[1]!.toString('base64')];
    return answerOf(images.host, '/v1/images', JSON.stringify({ images: given }));
  }

  /** Puts an object and tells bulk of it as the template's queue would; resolves to the messages that failed. */
  async function send(key: string, body: Uint8Array): Promise<readonly unknown[]> {
    await store.put(key, body);
    const [, bucket] = ofType(synthesis, 'AWS::S3::Bucket').find(([id]) => id.startsWith('ArtifactsBucket'))!;
    const [{ Filter }] = bucket.Properties.NotificationConfiguration.QueueConfigurations;
    expect(key.startsWith(Filter.S3Key.Rules[0].Value)).toBe(true);
    const s3 = { bucket: { name: 'bucket' }, object: { key } };
    const told = { Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] };
    const record = { messageId: 'm', eventSource: 'aws:sqs', body: JSON.stringify(told) };
    const { payload, functionError } = await bulk.host.invoke({ Records: [record] });
    expect(functionError).toBeUndefined();
    return (payload as { batchItemFailures: unknown[] }).batchItemFailures;
  }

  async function linesOf(key: string): Promise<readonly Record<string, unknown>[]> {
    const { body } = await store.get(key, { maxBytes: 1e8 });
    return new TextDecoder()
      .decode(body)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  /** Has bulk score a small file; resolves to the version that its scores are named after. */
  async function scoreFile(): Promise<string> {
    const key = 'inbox/few.npy';
    expect(await send(key, encodeNpy(f32(new Float32Array(3 * WIDTH).fill(0.5), 3, WIDTH)))).toEqual([]);
    const versions: string[] = [];
    for await (const { key: output } of store.list(`scores/${key}.`)) {
      if (output.endsWith('.jsonl')) versions.push(output.split('.').at(-2)!);
      await store.delete(output);
    }
    expect(versions).toHaveLength(1);
    return versions[0]!;
  }

  it('serves A, then B, without a restart, from the zips, handlers and variables of the template', async () => {
    const a = await publish(folders.a);
    embeddings = await deploy(synthesis, 'Embeddings', server);
    images = await deploy(synthesis, 'Images', server);
    bulk = await deploy(
      synthesis,
      'Bulk',
      server,
      ({ action }) => action === 's3:PutObject' && writesLeft-- <= 0,
    );
    expect([await scoreFeatures(), await scoreImages(), await scoreFile()]).toEqual([a, a, a]);
    const b = await publish(folders.b);
    expect(b).not.toBe(a);
    for (const ask of [scoreFeatures, scoreImages, scoreFile]) expect(await becomes(b, ask)).toBe(b);
  });

  it('scores a listing of images in the inbox, of which one is missing', async () => {
    const version = await scoreFeatures();
    const keys = pictures.map((_, i) => `inbox/photos/${i}.png`);
    const listing = [...keys, 'inbox/photos/gone.png'].join('\n');
    expect(await send('inbox/photos.txt', new TextEncoder().encode(listing))).toEqual([]);
    const lines = await linesOf(`scores/inbox/photos.txt.${version}.jsonl`);
    expect(lines.map(({ id }) => id)).toEqual(listing.split('\n'));
    expect(lines.filter(({ error }) => error !== undefined)).toMatchObject([
      { error: { code: 'not-found' } },
    ]);
  });

  it('takes an upload back that breaks off, reports it, and makes it when it is asked again', async () => {
    const features = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => ((i * 7919) % 1009) / 1009);
    const body = encodeNpy(f32(features, ROWS, WIDTH));
    const version = await scoreFeatures();
    const output = `scores/inbox/rows.npy.${version}.jsonl`;
    // An upload begins, and no part of it gets through.
    writesLeft = 1;
    expect(await send('inbox/rows.npy', body)).toEqual([{ itemIdentifier: 'm' }]);
    expect(bulk.gate.allowed.at(-1)).toEqual({ action: 's3:AbortMultipartUpload', key: output });
    expect(await store.head(output)).toBeUndefined();
    writesLeft = Number.POSITIVE_INFINITY;
    expect(await send('inbox/rows.npy', body)).toEqual([]);
    expect(await linesOf(output)).toHaveLength(ROWS);
  });

  it.each(['Embeddings', 'Images', 'Bulk'])(
    'lets %s do all that it does, and nothing that it does not',
    (name) => {
      const { grants, gate } = { Embeddings: embeddings, Images: images, Bulk: bulk }[name]!;
      expect(gate.allowed.length).toBeGreaterThan(0);
      expect(unused(grants, gate.allowed)).toEqual([]);
      // Beyond the writes that the test refused: bulk would look whether a file was scored before. It may not read what
      // it wrote, and scores the file once more. Ceph gives no etag after an upload in parts, AWS does.
      const looks = [
        'few.npy.VERSION.summary.json',
        'photos.txt.VERSION.summary.json',
        'rows.npy.VERSION.summary.json',
      ];
      if (hasRadosGateway) looks.push('rows.npy.VERSION.jsonl');
      const refused = gate.denied
        .filter(({ action }) => action !== 's3:PutObject')
        .map(({ action, key }) => `${action} ${key.replace(/\w{64}/, 'VERSION')}`);
      expect([...new Set(refused)]).toEqual(
        name === 'Bulk' ? looks.map((file) => `s3:GetObject scores/inbox/${file}`) : [],
      );
    },
  );
});

/** The version that answered. An HTTP API with the stage $default sends what a Function URL sends. */
async function answerOf(host: LambdaHost, path: string, body: string): Promise<string> {
  const { payload, functionError } = await host.invoke(functionUrlEvent('POST', path, body));
  expect(functionError).toBeUndefined();
  const { statusCode, body: text } = payload as APIGatewayProxyStructuredResultV2;
  expect(statusCode, text).toBe(200);
  const { artifact_version, results } = JSON.parse(text!);
  for (const { decision } of results) expect(decision).toMatch(/^(id|ood)$/);
  return artifact_version;
}

/** Asks again until an answer is the one wanted, for 10 s at most; resolves to the last. */
async function becomes(wanted: string, ask: () => Promise<string>): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const version = await ask();
    if (version === wanted || attempt === 100) return version;
    await delay(100);
  }
}

function picturesBelow(folder: string): Buffer[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.png'),
  );
  return names
    .sort()
    .slice(0, 10)
    .map((name) => readFileSync(join(folder, name)));
}
