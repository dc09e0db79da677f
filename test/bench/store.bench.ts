/**
 * How fast a 100 MiB artifact is published to and pulled from S3, against the SDK's plain put and get of the same
 * bytes, taking turns; and how much memory that takes. The server is an in-memory one in another process.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { publishFolder } from '../../calibrate/versions/publish.ts';
import { pullVersion } from '../../calibrate/versions/pull.ts';
import { encodeDetector } from '../../shared/artifact/detector.ts';
import { ARTIFACT_FILES, MANIFEST_FILE } from '../../shared/artifact/manifest.ts';
import { writeArtifactFolder } from '../../shared/store/artifact-folder.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { versionKey } from '../../shared/store/version-keys.ts';
import { startFakeS3Process } from '../servers/fake-s3-process.ts';
import { smallDetector } from '../shared/artifact/small-detector.ts';
import { report, timeInTurn } from './measure.ts';

const MIB = 2 ** 20;
const ROUNDS = 9;

const server = await startFakeS3Process();
const { endpoint, credentials } = server;
const store = openS3Store('s3://bucket', { endpoint, credentials });
const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
const folder = await mkdtemp(join(tmpdir(), 'himplos-bench-'));

await compare(100);
for (const size of [100, 400]) await watchMemory(size);
await server.close();
await rm(folder, { recursive: true });

async function compare(size: number): Promise<void> {
  const artifact = await makeArtifact(size);
  const large = join(artifact, 'detector.onnx');
  const out = join(folder, 'out');
  const units = { count: size, unit: 'MiB' };
  let version = '';
  const put = {
    publish: async () => {
      if (version !== '') await removeVersion(version);
      const start = performance.now();
      ({ version } = await publishFolder(artifact, store, 'bench'));
      return performance.now() - start;
    },
    'PutObject of the file': async () => {
      await client.send(
        new PutObjectCommand({ Bucket: 'bucket', Key: 'plain', Body: await readFile(large) }),
      );
    },
  };
  report(`${size} MiB to S3`, await timeInTurn(put, ROUNDS), units);
  const get = {
    pull: async () => {
      await rm(out, { recursive: true, force: true });
      const start = performance.now();
      await pullVersion(store, 'bench', { version }, out);
      return performance.now() - start;
    },
    // As safe as pull: the file is on the disk when it is done.
    'GetObject to a file': async () => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'plain' }));
      await using file = await open(join(folder, 'plain'), 'w');
      await file.writeFile(Body as unknown as AsyncIterable<Uint8Array>);
      await file.sync();
    },
  };
  report(`${size} MiB from S3`, await timeInTurn(get, ROUNDS), units);
  await removeVersion(version);
}

async function watchMemory(size: number): Promise<void> {
  const artifact = await makeArtifact(size);
  const out = join(folder, 'out');
  await rm(out, { recursive: true, force: true });
  let version = '';
  const publishing = await peakWhile(async () => {
    ({ version } = await publishFolder(artifact, store, 'bench'));
  });
  const pulling = await peakWhile(() => pullVersion(store, 'bench', { version }, out));
  console.log(`\n${size} MiB: publish takes ${publishing} MiB of buffers at most, pull ${pulling} MiB`);
  await removeVersion(version);
}

/** The most that array buffers grow by, in MiB. */
async function peakWhile(work: () => Promise<unknown>): Promise<number> {
  globalThis.gc?.();
  const before = process.memoryUsage().arrayBuffers;
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers);
  }, 5);
  await work();
  clearInterval(timer);
  return Math.round((peak - before) / MIB);
}

async function makeArtifact(size: number): Promise<string> {
  const target = join(folder, `artifact-${size}`);
  await rm(target, { recursive: true, force: true });
  const piece = randomBytes(MIB);
  async function* open() {
    for (let i = 0; i < size; i++) yield piece;
  }
  await writeArtifactFolder(target, [
    { name: 'detector.safetensors', body: await encodeDetector(smallDetector()) },
    { name: 'detector.onnx', body: { bytes: size * MIB, open } },
  ]);
  return target;
}

async function removeVersion(version: string): Promise<void> {
  for (const name of [...ARTIFACT_FILES, MANIFEST_FILE])
    await store.delete(versionKey('bench', version, name as never));
}
