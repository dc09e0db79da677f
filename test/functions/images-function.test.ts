import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFunction } from '../../functions/build/functions.ts';
import { zip } from '../../functions/build/zip.ts';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { calibrateDemoDetector, runQuietly } from '../calibrate/demo-detector.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { type LambdaHost, startLambda } from '../servers/lambda-runtime-api.ts';
import { send } from './built-function.ts';
import { functionUrlEvent, httpApiEvent } from './events.ts';
import { environmentOf } from './published.ts';
import { publishFolder, unpack } from './unpacked.ts';

/** The binaries of the zip are those of x86_64 Linux. */
const canRun = process.platform === 'linux' && process.arch === 'x64';

it.skipIf(!canRun)(
  'the zip is at most 30 MB, for x86_64 Linux alone (needs the packages of x86_64 Linux)',
  async () => {
    const { files } = await buildFunction('images');
    const names = files.map(({ name }) => name);
    const binaries = names.filter((name) => /\.(node|so|so\.[\d.]+|dll|dylib)$/.test(name));
    expect(
      binaries.map((name) =>
        name
          .split('/')
          .at(-1)!
          .replace(/-[\d.]+(?=\.node$)|\.[\d.]+$/, ''),
      ),
    ).toEqual(['libonnxruntime.so', 'onnxruntime_binding.node', 'sharp-linux-x64.node', 'libvips-cpp.so']);
    expect(names.filter((name) => /\.(map|ts|dylib|dll)$/.test(name))).toEqual([]);
    expect(files.every(({ bytes }) => !Buffer.from(bytes).includes(process.cwd()))).toBe(true);
    expect(zip(files).length).toBeLessThanOrEqual(30_000_000);
  },
);

it.skipIf(!canRun)(
  'index.js is what the first requests take, and usual JPEGs do not load sharp (needs the packages of x86_64 Linux)',
  async () => {
    const { files } = await buildFunction('images');
    const code = new Map(files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString('latin1')]));
    // What a file requires, not what it imports dynamically.
    const first = new Set(['index.js']);
    for (const name of first) {
      for (const [, path] of code.get(name)!.matchAll(/require\("\.\/([^"]+)"\)/g)) first.add(path!);
    }
    const filesWith = (text: string) =>
      [...code.keys()].filter((name) => !name.includes('/') && code.get(name)!.includes(text));
    expect([...first].reduce((total, name) => total + code.get(name)!.length, 0)).toBeLessThanOrEqual(40_000);
    expect(filesWith('libvips')).toEqual(['sharp.js']);
    // Nothing requires it: it is imported dynamically.
    expect(filesWith('require("./sharp.js")')).toEqual([]);
    expect(filesWith('onnxruntime_binding.node')).toHaveLength(1);
    expect([...first]).not.toContain(filesWith('onnxruntime_binding.node')[0]);
  },
);

describe.skipIf(!canRun)('the images function as Lambda runs it (needs x86_64 Linux)', () => {
  let s3: FakeS3;
  let unpacked: Awaited<ReturnType<typeof unpack>>;
  let host: LambdaHost;
  let version: string;
  let expected: { score: number; decision: string };
  let picture: Buffer<ArrayBuffer>;
  let before: number;
  const temporary = newFolder();
  const environment = () => ({
    ...environmentOf(s3),
    HIMPLOS_IMAGES: 's3://bucket/inbox',
    TMPDIR: temporary,
  });
  const start = () =>
    startLambda({ taskRoot: unpacked.taskRoot, handler: 'index.handler', environment: environment() });

  beforeAll(async () => {
    s3 = await startFakeS3();
    const demo = await calibrateDemoDetector(newFolder());
    version = await publishFolder(s3, demo.detector);
    const line = (
      await runQuietly(['score', '--detector', demo.detector, '--device', 'cpu', demo.test])
    ).split('\n')[0]!;
    expected = JSON.parse(line);
    picture = Buffer.from(readFileSync(join(demo.test, JSON.parse(line).name)));
    unpacked = await unpack('images');
    before = s3.log.length;
    host = await start();
  });
  afterAll(async () => {
    await host?.stop();
    unpacked?.remove();
    await s3?.close();
  });

  function expectIt({ artifact_version, results }: ScoreAnswer): void {
    expect(artifact_version).toBe(version);
    expect(results[0]!.decision).toBe(expected.decision);
    expect(Math.abs(results[0]!.score - expected.score)).toBeLessThan(
      1e-5 * Math.max(1, Math.abs(expected.score)),
    );
  }

  it('scores an image by Function URL, HTTP API and direct invocation', async () => {
    const headers = { 'content-type': 'image/png' };
    for (const event of [functionUrlEvent, httpApiEvent]) {
      const { status, body } = await send(host, event('POST', '/v1/images', picture, headers));
      expect(status).toBe(200);
      expectIt(body);
    }
    const { payload } = await host.invoke({ images: [picture.toString('base64')] });
    expectIt(payload as ScoreAnswer);
  });

  it('has asked for the channel and for each file of the version once', () => {
    const asked = s3.log.slice(before).map((line) => line.split('/').at(-1));
    expect(asked.sort()).toEqual([
      'detector.onnx',
      'detector.safetensors',
      'manifest.json',
      'production.json',
    ]);
  });

  it('takes a form of files', async () => {
    const form = new FormData();
    form.append('a', new Blob([picture]), 'a.png');
    form.append('b', new Blob([picture]), 'b.png');
    const sent = new Response(form);
    const headers = { 'content-type': sent.headers.get('content-type')! };
    const body = Buffer.from(await sent.arrayBuffer());
    const answer = await send(host, functionUrlEvent('POST', '/v1/images', body, headers));
    expect(answer.status).toBe(200);
    expect(answer.body.results).toHaveLength(2);
    expectIt(answer.body);
  });

  it('still scores features', async () => {
    const { payload } = await host.invoke({ features: [1, 2] });
    expect(JSON.stringify(payload)).toMatch(/expected 96 numbers a sample, got 2/);
  });

  it('refuses what is outside its prefix, and a broken image', async () => {
    const outside = await host.invoke({ images: ['s3://bucket/detectors/birds/channels/production.json'] });
    expect(JSON.stringify(outside.payload)).toMatch(/expected an address below s3:\/\/bucket\/inbox\//);
    const { status } = await send(
      host,
      functionUrlEvent('POST', '/v1/images', picture.subarray(0, 50), { 'content-type': 'image/png' }),
    );
    expect(status).toBe(400);
  });

  it('keeps the model under its digest, finds it there again, and mistrusts what it finds', async () => {
    const folder = join(temporary, 'himplos-models');
    const [name] = readdirSync(folder);
    const path = join(folder, name!);
    const digestOf = () => createHash('sha256').update(readFileSync(path)).digest('hex');
    expect(name).toBe(`${digestOf()}.onnx`);
    const restarts = async () => {
      const from = s3.log.length;
      const again = await start();
      try {
        expectIt((await again.invoke({ images: [picture.toString('base64')] })).payload as ScoreAnswer);
      } finally {
        await again.stop();
      }
      return s3.log.slice(from).filter((line) => line.endsWith('detector.onnx')).length;
    };
    expect(await restarts()).toBe(0);
    const damaged = readFileSync(path);
    damaged[1000]! ^= 1;
    writeFileSync(path, damaged);
    expect(await restarts()).toBe(1);
    expect(name).toBe(`${digestOf()}.onnx`);
  });
});
