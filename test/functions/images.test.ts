import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencesBelow } from '../../functions/images/image-references.ts';
import { MAX_IMAGES } from '../../functions/images/image-request.ts';
import { openS3Reader } from '../../functions/runtime/s3-reader.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { calibrateDemoDetector, type DemoDetector, runQuietly } from '../calibrate/demo-detector.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { type ImageServer, imageServer } from './image-server.ts';

interface Line {
  readonly name: string;
  readonly decision: string;
  readonly score: number;
  readonly predicted: number;
  readonly p: number;
}

let demo: DemoDetector;
let server: ImageServer;
/** What the tool says of the test pictures, in their order. */
let lines: readonly Line[];
let pictures: readonly Buffer<ArrayBuffer>[];

beforeAll(async () => {
  demo = await calibrateDemoDetector(newFolder());
  server = await imageServer(demo.detector);
  const blurred = join(demo.unknown, readdirSync(demo.unknown).sort()[0]!);
  const scored: Line[] = [];
  const read: Buffer<ArrayBuffer>[] = [];
  for (const folder of [demo.test, blurred]) {
    const printed = await runQuietly(['score', '--detector', demo.detector, '--device', 'cpu', folder]);
    for (const text of printed.trim().split('\n')) {
      const line = JSON.parse(text) as Line;
      scored.push(line);
      read.push(readFileSync(join(folder, line.name)));
    }
  }
  lines = scored;
  pictures = read;
});

/** Asserts that results are what the tool says of pictures `from` on. */
function expectAgreement({ results }: ScoreAnswer, from: number, count: number): void {
  expect(results.length).toBe(count);
  results.forEach((result, i) => {
    const line = lines[from + i]!;
    const { decision, predicted_class: predicted } = result;
    expect({ decision, predicted }).toEqual({ decision: line.decision, predicted: line.predicted });
    // METHODS §9.
    expect(Math.abs(result.score - line.score)).toBeLessThan(1e-5 * Math.max(1, Math.abs(line.score)));
    expect(result.p_value).toBeCloseTo(line.p, 10);
  });
}

describe('POST /v1/images', () => {
  it('scores every picture as the tool does, sent one by one', async () => {
    for (const [i, picture] of pictures.entries()) {
      const response = await server.post(picture, 'image/png');
      expect(response.status).toBe(200);
      expectAgreement((await response.json()) as ScoreAnswer, i, 1);
    }
    expect(new Set(lines.map(({ decision }) => decision))).toEqual(new Set(['id', 'ood']));
  });

  it('gives pictures the scores of their features, to the last bit', async () => {
    const { serving } = server;
    const few = pictures.slice(0, 5);
    const features = await serving.images!.run(few, 10_000);
    const scores = allocateScores(few.length);
    serving.scorer.score(features, few.length, scores);
    const json = JSON.stringify({ images: few.map((picture) => picture.toString('base64')) });
    const { results } = (await (await server.post(json, 'application/json')).json()) as ScoreAnswer;
    expect(results.map(({ score }) => score)).toEqual([...scores.score]);
    expect(results.map(({ cosine }) => cosine)).toEqual([...scores.cosine]);
  });

  it('gives the same for a batch in JSON and in a form', async () => {
    const batch = pictures.slice(0, 20);
    const json = JSON.stringify({ images: batch.map((picture) => picture.toString('base64')) });
    expectAgreement(await (await server.post(json, 'application/json')).json(), 0, 20);
    const form = new FormData();
    for (const [i, picture] of batch.entries()) form.append('file', new Blob([picture]), `${i}.png`);
    expectAgreement(await (await server.post(form)).json(), 0, 20);
  });

  it('explains on demand and decides by false discovery rate', async () => {
    const answer = (await (
      await server.post(pictures[0]!, 'application/octet-stream', '?detail=full&fdr=0.1')
    ).json()) as ScoreAnswer;
    expect(answer.results[0]!.detail).toHaveProperty('energy.original');
    expect(answer.results[0]).toHaveProperty('fdr_ood');
  });

  it('names the image that cannot be used, and says why', async () => {
    const whole = pictures[0]!;
    const large = await sharp({ create: { width: 9000, height: 4000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const cases: readonly (readonly [Buffer, number, RegExp])[] = [
      [whole.subarray(0, whole.length / 2), 400, /images\[1\]: the png image cannot be decoded/],
      [Buffer.from('hello'), 400, /images\[1\]: not an image/],
      [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 415, /images\[1\]: SVG or HTML/],
      [Buffer.alloc(0), 400, /images\[1\]: the image is empty/],
      [large, 413, /images\[1\]: the image has more than \d+ pixels/],
    ];
    for (const [bad, status, message] of cases) {
      const images = [whole, bad].map((bytes) => bytes.toString('base64'));
      const response = await server.post(JSON.stringify({ images }), 'application/json');
      expect(response.status).toBe(status);
      const { error } = await response.json();
      expect(error.message).toMatch(message);
      expect(error.hint).not.toMatch(/--/);
    }
  });

  it('names the image that the model has no finite features for', async () => {
    const { width, height } = await sharp(pictures[0]!).metadata();
    const black = await sharp({ create: { width, height, channels: 3, background: 'black' } })
      .png()
      .toBuffer();
    const preprocessing = { resize: null, crop: null, mean: [0, 0, 0], std: [1e-38, 1e-38, 1e-38] } as const;
    const overflowing = await imageServer(demo.detector, { preprocessing });
    expect((await overflowing.post(black, 'image/png')).status).toBe(200);
    const images = [black, pictures[0]!].map((bytes) => bytes.toString('base64'));
    const response = await overflowing.post(JSON.stringify({ images }), 'application/json');
    expect(response.status).toBe(400);
    const { error } = await response.json();
    expect(error.message).toMatch(/^images\[1\]: the model gives (NaN|-?Infinity) as feature \d+$/);
  });

  it.each([
    ['no images', '{"images": []}', 'application/json', 400],
    ['no array', '{"images": "abc"}', 'application/json', 400],
    ['a number', '{"images": [1]}', 'application/json', 400],
    ['no base64', '{"images": ["***"]}', 'application/json', 400],
    ['an unknown field', '{"images": ["aGk="], "x": 1}', 'application/json', 400],
    ['features', '{"features": [1]}', 'application/json', 400],
    ['no JSON', '{', 'application/json', 400],
    ['an empty body', '', 'image/png', 400],
    ['another type', 'x', 'text/plain', 415],
    ['a form without its boundary', 'x', 'multipart/form-data', 400],
    ['a form that is cut off', '--b\r\nContent-Disp', 'multipart/form-data; boundary=b', 400],
    ['a reference where none is taken', '{"images": ["s3://bucket/inbox/a.png"]}', 'application/json', 400],
    ['too many', JSON.stringify({ images: new Array(MAX_IMAGES + 1).fill('aGk=') }), 'application/json', 413],
  ])('refuses %s', async (_, body, type, status) => {
    const response = await server.post(body, type);
    expect(response.status).toBe(status);
    expect((await response.json()).error).toHaveProperty('hint');
  });

  it('refuses what takes longer than a request may', async () => {
    const hasty = await imageServer(demo.detector, { budgetMs: () => 0 });
    expect((await hasty.post(pictures[0]!, 'image/png')).status).toBe(413);
  });

  it('says that a detector without a model takes no images', async () => {
    const { images: _, ...serving } = server.serving;
    const without = await imageServer(demo.detector);
    Object.assign(without.serving, { ...serving, images: undefined });
    expect((await without.post(pictures[0]!, 'image/png')).status).toBe(415);
  });
});

describe('references', () => {
  let s3: FakeS3;
  let referring: ImageServer;
  beforeAll(async () => {
    s3 = await startFakeS3();
    s3.buckets.add('other');
    const { endpoint, credentials } = s3;
    const store = openS3Store('s3://bucket', { endpoint, credentials });
    await store.put('inbox/a b/ü+%2e.png', pictures[0]!);
    await store.put('private/secret.png', pictures[0]!);
    await openS3Store('s3://other', { endpoint, credentials }).put('inbox/a.png', pictures[0]!);
    const reader = openS3Reader('s3://bucket/inbox', {
      region: 'us-east-1',
      endpoint,
      credentials: () => credentials,
    });
    referring = await imageServer(demo.detector, { readReference: referencesBelow(reader) });
  });
  afterAll(() => s3.close());

  it('scores an object below the prefix', async () => {
    const body = JSON.stringify({
      images: ['s3://bucket/inbox/a b/ü+%2e.png', pictures[1]!.toString('base64')],
    });
    expectAgreement(await (await referring.post(body, 'application/json')).json(), 0, 2);
  });

  it.each([
    's3://bucket/private/secret.png',
    's3://bucket/inbox/../private/secret.png',
    's3://bucket/inbox/./../private/secret.png',
    's3://bucket/inbox//../private/secret.png',
    's3://bucket/inbox/%2e%2e/private/secret.png',
    's3://bucket/inbox/..%2fprivate/secret.png',
    's3://bucket/inbox\\..\\private\\secret.png',
    's3://bucket/inbox/',
    's3://bucket/inbox',
    's3://bucket/inboxes/a.png',
    's3://bucket',
    's3://other/inbox/a.png',
    'S3://bucket/inbox/a b/ü+%2e.png',
    's3://bucket@other/inbox/a.png',
    's3://bucket/inbox/a.png?versionId=1',
    's3://bucket/inbox/a.png#x',
    's3://bucket/inbox/\u0000.png',
    `s3://bucket/inbox/${'a'.repeat(2000)}`,
    's3:bucket/inbox/a.png',
  ])('never reads outside it: %s', async (address) => {
    const before = s3.log.length;
    const response = await referring.post(JSON.stringify({ images: [address] }), 'application/json');
    expect([400, 404]).toContain(response.status);
    for (const request of s3.log.slice(before)) expect(request).toMatch(/^GET bucket\/inbox\//);
    expect(referring.bugs).toEqual([]);
  });

  it('says 404 when access is denied, which S3 says of absent objects', async () => {
    s3.faults.push({ effect: { kind: 'status', status: 403, code: 'AccessDenied' } });
    const body = JSON.stringify({ images: ['s3://bucket/inbox/a.png'] });
    expect((await referring.post(body, 'application/json')).status).toBe(404);
  });
});
