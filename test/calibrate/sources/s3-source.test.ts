import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SourceOptions } from '../../../calibrate/sources/open-source.ts';
import { encodeNpy } from '../../../shared/formats/npy.ts';
import { encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { f32 } from '../../../shared/tensor.ts';
import { type FakeS3, startFakeS3 } from '../../servers/fake-s3.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { newFolder } from '../run-command.ts';
import { makeTar } from './make-tar.ts';
import { listImages, listRows, openFeatures, openImages } from './read-source.ts';

let fake: FakeS3;
let options: SourceOptions;
beforeEach(async () => {
  // Copies stay until the process ends, and its end does not run for one that vitest stops.
  vi.stubEnv('TMPDIR', newFolder());
  fake = await startFakeS3();
  const { endpoint, credentials } = fake;
  options = { s3: { endpoint, credentials, retries: { baseDelayMs: 1 }, timeoutMs: 500 } };
});
afterEach(() => {
  vi.unstubAllEnvs();
  return fake.close();
});

function store(key: string, content: Uint8Array | string): void {
  const body = Buffer.from(content);
  fake.objects.set(`bucket/${key}`, {
    body,
    etag: String(body.length),
    modifiedMs: 0,
    crc32: undefined,
    encryption: {},
  });
}
const open = (path: string) => openImages(`s3://bucket/${path}`, options);

describe('images below a prefix of S3', () => {
  it('have the classes of their folders, in the order of their keys, page by page', async () => {
    fake.pageSize = 2;
    for (const key of [
      'b/2.jpg',
      'b/10.jpg',
      'a/deep/er/1.png',
      'a/notes.txt',
      'c/.hidden.jpg',
      'empty/readme',
    ])
      store(`data/${key}`, key);
    store('database/x.jpg', 'another prefix');
    const source = await open('data');
    expect(await listImages(source)).toEqual([
      'a/deep/er/1.png=a:a/deep/er/1.png',
      'b/10.jpg=b:b/10.jpg',
      'b/2.jpg=b:b/2.jpg',
    ]);
    expect(await source.survey()).toMatchObject({
      samples: 3,
      classes: new Map([
        ['a', 1],
        ['b', 2],
      ]),
      emptyClasses: ['empty'],
    });
    expect(await listImages(await open('data/'))).toHaveLength(3);
  });

  it('have no classes without folders, and are not mixed', async () => {
    store('flat/1.jpg', 'x');
    store('flat/2.jpg', 'y');
    expect(await listImages(await open('flat'))).toEqual(['1.jpg=-:x', '2.jpg=-:y']);
    store('flat/a/3.jpg', 'z');
    expect((await rejectionOf(listImages(await open('flat')))).code).toBe('bad-input');
  });

  it('are asked for a bounded number at once, and repeated when that fails', async () => {
    const names = Array.from({ length: 120 }, (_, i) => `a/${String(i).padStart(3, '0')}.jpg`);
    for (const name of names) store(`many/${name}`, name);
    let running = 0;
    let most = 0;
    fake.hook = async ({ key }, moment) => {
      if (!key.endsWith('.jpg')) return;
      running += moment === 'before' ? 1 : -1;
      most = Math.max(most, running);
      if (moment === 'before') await new Promise((resolve) => setTimeout(resolve, 3));
    };
    fake.faults.push({
      effect: { kind: 'status', status: 503, code: 'SlowDown' },
      on: ({ key }) => key.endsWith('.jpg'),
      times: 20,
    });
    expect(await listImages(await open('many'))).toEqual(names.map((name) => `${name}=a:${name}`));
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThanOrEqual(32);
  });

  it('are not there when nothing is', async () => {
    expect((await rejectionOf(open('nothing'))).code).toBe('not-found');
    expect((await rejectionOf(open('nothing.tar'))).code).toBe('not-found');
    expect((await rejectionOf(open('nothing.jpg'))).code).toBe('not-found');
    expect((await rejectionOf(openFeatures('s3://bucket/nothing.npy', options))).code).toBe('not-found');
  });

  it('are refused above the limit', async () => {
    store('big/a/1.jpg', Buffer.alloc(1000));
    const source = await openImages('s3://bucket/big', { ...options, limits: { imageBytes: 999 } });
    expect((await rejectionOf(listImages(source))).code).toBe('too-large');
  });

  it('stop when told to', async () => {
    for (let i = 0; i < 50; i++) store(`many/a/${i}.jpg`, 'x');
    const stop = new AbortController();
    const source = await openImages('s3://bucket/many', { ...options, signal: stop.signal });
    const reading = (async () => {
      for await (const _ of source.samples()) stop.abort();
    })();
    expect((await rejectionOf(reading)).code).toBe('interrupted');
  });
});

describe('other sources in S3', () => {
  it.each([false, true])(
    'stream archives (packed: %s), and go on where the connection broke',
    async (isPacked) => {
      const content = Buffer.alloc(700_000, 'pixels');
      const tar = await makeTar([
        ['a/1.jpg', content],
        ['b/2.jpg', 'two'],
      ]);
      const name = isPacked ? 'set.tar.gz' : 'set.tar';
      store(`data/${name}`, isPacked ? gzipSync(tar, { level: 0 }) : tar);
      fake.faults.push({
        effect: { kind: 'stall-in-body', afterBytes: 300_000 },
        on: ({ method }) => method === 'GET',
        times: 2,
      });
      expect(await listImages(await open(`data/${name}`))).toEqual([`a/1.jpg=a:${content}`, 'b/2.jpg=b:two']);
    },
  );

  it('refuse an archive that ends early', async () => {
    const tar = await makeTar([['a/1.jpg', 'one']]);
    store('set.tar', tar.subarray(0, 1024));
    expect((await rejectionOf(listImages(await open('set.tar')))).code).toBe('bad-input');
    store('empty.tar', '');
    expect((await rejectionOf(listImages(await open('empty.tar')))).code).toBe('bad-input');
  });

  it('follow lists of images', async () => {
    store('data/list.txt', 'images/1.jpg 3\nimages/2.jpg -1\n');
    store('data/images/1.jpg', 'one');
    store('data/images/2.jpg', 'two');
    expect(await listImages(await open('data/list.txt'))).toEqual([
      'images/1.jpg=3:one',
      'images/2.jpg=-:two',
    ]);
  });

  it('are single images', async () => {
    store('one.jpg', 'one');
    expect(await listImages(await open('one.jpg'))).toEqual(['one.jpg=-:one']);
  });

  it('are features, with labels beside them or elsewhere', async () => {
    const features = f32(Float32Array.of(1, 2, 3, 4), 2, 2);
    const labels = { dtype: 'I64', shape: [2], data: BigInt64Array.of(0n, 1n) } as const;
    store('f/x.npy', encodeNpy(features));
    store('f/y.npy', encodeNpy(labels));
    store('f/both.safetensors', encodeSafetensors({ features, labels }));
    for (const address of [
      's3://bucket/f/x.npy:y.npy',
      's3://bucket/f/x.npy:s3://bucket/f/y.npy',
      's3://bucket/f/both.safetensors',
    ]) {
      const source = await openFeatures(address, options);
      expect(await listRows(source, 10)).toEqual([
        [1, 2],
        [3, 4],
      ]);
      expect([...source.labels!]).toEqual([0, 1]);
    }
  });

  it.each(['s3://key:secret@bucket/x', 's3://bucket/x.tar?sig=secret', 's3://'])(
    'are not %j',
    async (address) => {
      const error = await rejectionOf(openImages(address, options));
      expect(error.code).toBe('bad-usage');
      expect(error.message).not.toContain('secret');
    },
  );
});
