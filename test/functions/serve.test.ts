import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDetector } from '../../shared/artifact/load-detector.ts';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import { calibrateDemoDetector, type DemoDetector, runQuietly } from '../calibrate/demo-detector.ts';
import { newFolder, readError, runCommand } from '../calibrate/run-command.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { type Served, serveWith } from './served.ts';

let demo: DemoDetector;
let picture: Buffer<ArrayBuffer>;
beforeAll(async () => {
  demo = await calibrateDemoDetector(newFolder());
  const [aClass] = readdirSync(demo.test).sort();
  const [first] = readdirSync(join(demo.test, aClass!)).sort();
  picture = readFileSync(join(demo.test, aClass!, first!));
});

/** Sends a request with headers that fetch would not. */
function send(
  address: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  method = 'GET',
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${address}${path}`, { method, headers }, async (response) => {
      let body = '';
      for await (const chunk of response) body += String(chunk);
      resolve({ status: response.statusCode!, body });
    });
    sent.on('error', reject).end();
  });
}

describe('himplos serve with a folder', () => {
  let served: Served;
  beforeAll(async () => {
    served = await serveWith(['--detector', demo.detector]);
  });
  afterAll(async () => expect(await served.stop()).toBe(0));

  it('scores an image as himplos score does, and logs the request', async () => {
    const line = await runQuietly(['score', '--detector', demo.detector, '--device', 'cpu', demo.test]);
    const expected = JSON.parse(line.split('\n')[0]!);
    const response = await fetch(`${served.address}/v1/images`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: picture,
    });
    expect(response.status).toBe(200);
    const { results, gamma } = (await response.json()) as ScoreAnswer;
    expect(results[0]).toMatchObject({ decision: expected.decision, predicted_name: expected.class });
    expect(gamma).toBe(expected.threshold);
    expect(Math.abs(results[0]!.score - expected.score)).toBeLessThan(
      1e-5 * Math.max(1, Math.abs(expected.score)),
    );
    expect(served.log()).toMatch(/^\S+Z POST \/v1\/images 200 \d+\.\d ms$/m);
  });

  it('answers under its own names only, and only pages of its own', async () => {
    const { port } = new URL(served.address);
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`]) {
      expect((await send(served.address, '/healthz', { host })).status).toBe(200);
      expect((await send(served.address, '/healthz', { host, origin: `http://${host}` })).status).toBe(200);
    }
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      '127.0.0.1:1',
      `127.0.0.1.evil:${port}`,
    ]) {
      expect((await send(served.address, '/healthz', { host })).status).toBe(403);
    }
    const host = `127.0.0.1:${port}`;
    for (const origin of [
      'null',
      'http://evil.example',
      `https://${host}`,
      `http://${host}.evil`,
      'http://127.0.0.1',
    ]) {
      expect((await send(served.address, '/v1/score', { host, origin }, 'POST')).status).toBe(403);
    }
  });

  it('describes itself: images in the OpenAPI document, the calibration scores as a histogram', async () => {
    const openapi = await (await fetch(`${served.address}/openapi.json`)).json();
    expect(Object.keys(openapi.paths)).toContain('/v1/images');
    const about = await (await fetch(`${served.address}/v1/detector`)).json();
    const { calibrationScores } = await loadDetector(openArtifactFolder(demo.detector));
    const { from, to, counts } = about.calibration_histogram;
    expect([from, to]).toEqual([calibrationScores[0], calibrationScores.at(-1)]);
    expect(counts.reduce((a: number, b: number) => a + b)).toBe(calibrationScores.length);
    expect(about.takes_images).toBe(true);
  });

  it('takes bodies larger than a Lambda event, and refuses what is over its own bound', async () => {
    const post = (bytes: number) =>
      fetch(`${served.address}/v1/images`, {
        method: 'POST',
        body: new Uint8Array(bytes),
        headers: { 'content-type': 'image/png' },
      });
    expect((await post(8 * 2 ** 20)).status).toBe(400);
    expect((await post(65 * 2 ** 20)).status).toBe(413);
  });

  it('answers a request that is under way when it is asked to stop', async () => {
    const other = await serveWith(['--detector', demo.detector]);
    const open = request(`${other.address}/v1/images`, {
      method: 'POST',
      headers: { 'content-type': 'image/png', 'content-length': picture.length },
    });
    const answered = new Promise<number>((resolve, reject) => {
      open.on('response', (response) => resolve(response.resume().statusCode!)).on('error', reject);
    });
    await new Promise<void>((resolve) => open.write(picture.subarray(0, 100), () => resolve()));
    await fetch(`${other.address}/healthz`);
    const stopped = other.stop();
    open.end(picture.subarray(100));
    expect(await answered).toBe(200);
    expect(await stopped).toBe(0);
    await expect(fetch(`${other.address}/healthz`)).rejects.toThrow();
  });

  it('says which port is taken', async () => {
    const { port } = new URL(served.address);
    const { message, hint } = readError(
      await runCommand(['serve', '--detector', demo.detector, '--port', port]),
    );
    expect(message).toContain(port);
    expect(hint).toContain('--port');
  });
});

it('wants a detector or a store, not both and not neither', async () => {
  for (const options of [[], ['--detector', 'a', '--store', 'b']]) {
    expect(readError(await runCommand(['serve', ...options])).message).toContain('--detector');
  }
});

describe('himplos serve with a store', () => {
  let s3: FakeS3;
  beforeAll(async () => {
    s3 = await startFakeS3();
  });
  afterAll(() => s3.close());

  it.each(['folder', 'S3'])('serves what the channel of a %s points to', async (kind) => {
    const store =
      kind === 'folder'
        ? ['--store', join(newFolder(), 'store')]
        : ['--store', 's3://bucket/detectors', '--endpoint', s3.endpoint, '--region', 'us-east-1'];
    process.env.AWS_ACCESS_KEY_ID = s3.credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = s3.credentials.secretAccessKey;
    const named = [...store, '--name', 'drawings'];
    const { version } = JSON.parse(await runQuietly(['publish', demo.detector, ...named, '--json']));
    await runQuietly(['promote', version, ...named, '--force', '--by', 'test', '--reason', 'first']);
    const served = await serveWith(named);
    try {
      const body = JSON.stringify({ images: [picture.toString('base64')] });
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${served.address}/v1/images`, { method: 'POST', headers, body });
      expect(await response.json()).toMatchObject({ artifact_version: version, results: [{}] });
    } finally {
      expect(await served.stop()).toBe(0);
    }
  });
});
