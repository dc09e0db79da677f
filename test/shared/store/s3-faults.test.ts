import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import type { S3Options } from '../../../shared/store/s3-client.ts';
import { openS3Store } from '../../../shared/store/s3-store.ts';
import { type Effect, type FakeS3, SECRET, startFakeS3 } from '../../servers/fake-s3.ts';
import { rejectionOf } from '../formats/expect-failure.ts';
import { collect, streamOf } from './contract-suite.ts';

const ATTEMPTS = 4;
const body = Buffer.concat(await collect(streamOf(300_000).open()));
const FOREVER = Number.POSITIVE_INFINITY;

let fake: FakeS3;
let store: ObjectStore;
beforeEach(async () => {
  fake = await startFakeS3();
  store = open();
});
afterEach(() => fake.close());

function open(options: S3Options = {}): ObjectStore {
  const { endpoint, credentials } = fake;
  const retries = { attempts: ATTEMPTS, baseDelayMs: 1 };
  return openS3Store('s3://bucket', { endpoint, credentials, retries, timeoutMs: 300, ...options });
}

const befall = (effect: Effect, times = 1) => fake.faults.push({ effect, times });
const isData = ({ method, key }: { readonly method: string; readonly key: string }) =>
  method === 'GET' && key === 'k';

/** What every method gives or does when all is well. */
const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  get: async () => expect(Buffer.compare((await store.get('k', { maxBytes: 1e6 })).body, body)).toBe(0),
  getIfChanged: async () => expect(await store.getIfChanged('k', 'other', { maxBytes: 1e6 })).toBeDefined(),
  getRange: async () =>
    expect(Buffer.compare(await store.getRange('k', 10, 99_999), body.subarray(10, 99_999))).toBe(0),
  open: async () => {
    const chunks = await collect((await store.open('k')).chunks);
    expect(Buffer.compare(Buffer.concat(chunks), body)).toBe(0);
  },
  head: async () => expect(await store.head('k')).toMatchObject({ bytes: body.length }),
  list: async () => expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['k']),
  put: async () => {
    await store.put('new', body);
    expect(Buffer.compare(fake.objects.get('bucket/new')!.body, body)).toBe(0);
  },
  'put in parts': async () => {
    await open({ partBytes: 100_000 }).put('new', body);
    expect(Buffer.compare(fake.objects.get('bucket/new')!.body, body)).toBe(0);
  },
  delete: async () => {
    await store.delete('k');
    expect(fake.objects.size).toBe(0);
  },
  sweep: () => store.sweep(0),
};

const everywhere: Readonly<Record<string, Effect>> = {
  'an internal error (500)': { kind: 'status', status: 500, code: 'InternalError' },
  'a request to slow down (503)': { kind: 'status', status: 503, code: 'SlowDown' },
  'too many requests (429)': { kind: 'status', status: 429, code: 'TooManyRequests' },
  'a connection that is closed': { kind: 'reset' },
  'a server that does not answer': { kind: 'silence' },
  'an answer that is lost': { kind: 'lost-answer' },
};

describe.each(Object.keys(everywhere))('S3 with %s', (fault) => {
  beforeEach(() => store.put('k', body));

  it.each(Object.keys(calls))('is worked around by %s', async (call) => {
    befall(everywhere[fault]!, 2);
    await calls[call]!();
  });

  it.each(Object.keys(calls))(
    'ends %s with a clear error when it lasts, after a bounded number of requests',
    async (call) => {
      befall(everywhere[fault]!, FOREVER);
      fake.log.length = 0;
      const error = await rejectionOf(calls[call]!());
      expect(error.code).toBe('unavailable');
      expect(error.message).toMatch(
        /^(reading|looking for|listing|writing|removing) .*s3:\/\/bucket.*tried 4 times\)$/,
      );
      expect(error.hint).toBeTruthy();
      expect(fake.log).toHaveLength(ATTEMPTS);
    },
  );
});

describe('S3 with a body that', () => {
  beforeEach(() => store.put('k', body));
  const whole = ['get', 'getIfChanged', 'getRange', 'open'];
  const broken: Readonly<Record<string, Effect>> = {
    'breaks off': { kind: 'reset-in-body', afterBytes: 70_000 },
    'breaks off at once': { kind: 'reset-in-body', afterBytes: 0 },
    stalls: { kind: 'stall-in-body', afterBytes: 70_000 },
    'is shorter than announced': { kind: 'wrong-length', delta: 1000 },
  };

  describe.each(Object.keys(broken))('%s', (fault) => {
    // A stream has said how long it is before it breaks off: it cannot take that back.
    const lenient = fault === 'is shorter than announced' ? whole.filter((call) => call !== 'open') : whole;
    it.each(lenient)('is had by %s in the end', async (call) => {
      fake.faults.push({ effect: broken[fault]!, on: isData, times: 2 });
      await calls[call]!();
    });

    // A stream that gets somewhere each time arrives.
    const strict =
      broken[fault]!.kind.endsWith('-in-body') && fault !== 'breaks off at once'
        ? whole.filter((call) => call !== 'open')
        : whole;
    it.each(strict)('ends %s with an error when that lasts', async (call) => {
      fake.faults.push({ effect: broken[fault]!, on: isData, times: FOREVER });
      expect((await rejectionOf(calls[call]!())).code).toBe('unavailable');
      expect(fake.log.length).toBeLessThan(6 * ATTEMPTS);
    });
  });

  it('is announced shorter than it is, is refused', async () => {
    fake.faults.push({ effect: { kind: 'wrong-length', delta: -1000 }, on: isData, times: FOREVER });
    for (const call of ['get', 'open', 'getIfChanged']) {
      expect((await rejectionOf(calls[call]!())).code).toBe('bad-artifact');
    }
    expect((await rejectionOf(calls.getRange!())).code).toBe('unavailable');
  });

  it('is changed on the way is asked for again', async () => {
    fake.faults.push({ effect: { kind: 'flip', at: 1234 }, on: isData });
    await calls.get!();
  });

  it('is changed where it is stored is refused, streamed or not, in one piece or several', async () => {
    const object = fake.objects.get('bucket/k')!;
    object.body = Buffer.from(object.body.with(200_000, object.body[200_000]! ^ 1));
    expect((await rejectionOf(calls.get!())).code).toBe('bad-artifact');
    expect((await rejectionOf(calls.open!())).code).toBe('bad-artifact');
    fake.faults.push({ effect: { kind: 'reset-in-body', afterBytes: 70_000 }, on: isData });
    expect((await rejectionOf(calls.open!())).code).toBe('bad-artifact');
  });

  it('is replaced while it is streamed is not mixed with the new one', async () => {
    fake.faults.push({ effect: { kind: 'reset-in-body', afterBytes: 70_000 }, on: isData });
    const { chunks } = await store.open('k');
    await store.put('k', body.subarray(1));
    const error = await rejectionOf(collect(chunks));
    expect(error).toMatchObject({ code: 'unavailable' });
    expect(error.message).toContain('replaced');
  });

  it('goes on where it broke off', async () => {
    const ranges: unknown[] = [];
    fake.hook = ({ headers }, moment) => void (moment === 'before' && ranges.push(headers.range));
    fake.faults.push({ effect: { kind: 'stall-in-body', afterBytes: 150_000 }, on: isData });
    await calls.open!();
    expect(ranges).toEqual([undefined, 'bytes=150000-']);
  });

  it('does not get anywhere is given up, however often it moves a little', async () => {
    fake.faults.push({ effect: { kind: 'stall-in-body', afterBytes: 100 }, on: isData, times: FOREVER });
    expect(
      (
        await rejectionOf(
          open({ timeoutMs: 50 })
            .open('k')
            .then(({ chunks }) => collect(chunks)),
        )
      ).code,
    ).toBe('unavailable');
    expect(fake.log.filter((line) => line.startsWith('GET'))).toHaveLength(ATTEMPTS);
  });
});

describe('a conditional write to S3', () => {
  const conflict409: Effect = { kind: 'status', status: 409, code: 'ConditionalRequestConflict' };

  it('is repeated when it met another one (409)', async () => {
    befall(conflict409, 2);
    await store.put('k', body, { ifNoneMatch: '*' });
    const { etag } = (await store.head('k'))!;
    befall(conflict409, 2);
    await store.put('k', body, { ifMatch: etag });
    befall(conflict409, FOREVER);
    expect((await rejectionOf(store.put('k', body, { ifMatch: etag }))).code).toBe('unavailable');
  });

  it('has lost when the condition fails (412), without another attempt', async () => {
    befall({ kind: 'status', status: 412, code: 'PreconditionFailed' }, FOREVER);
    expect((await rejectionOf(store.put('k', body, { ifNoneMatch: '*' }))).code).toBe('conflict');
    expect(fake.log).toHaveLength(1);
  });

  it('whose answer is lost may conflict with itself, in one piece or in parts', async () => {
    for (const writer of [store, open({ partBytes: 100_000 })]) {
      await store.delete('k');
      fake.faults.push({
        effect: { kind: 'lost-answer' },
        on: ({ method, query }) =>
          method === 'PUT' ? !query.has('partNumber') : method === 'POST' && query.has('uploadId'),
      });
      expect((await rejectionOf(writer.put('k', body, { ifNoneMatch: '*' }))).code).toBe('conflict');
      await calls.get!();
    }
  });

  it('is refused before anything large is sent', async () => {
    const { etag } = await store.put('k', body);
    fake.log.length = 0;
    const parts = open({ partBytes: 100_000 });
    expect((await rejectionOf(parts.put('k', body, { ifNoneMatch: '*' }))).code).toBe('conflict');
    expect((await rejectionOf(parts.put('k', body, { ifMatch: `${etag}x` }))).code).toBe('conflict');
    expect(fake.log).toEqual(['HEAD bucket/k', 'HEAD bucket/k']);
  });

  it('is repeated when the server says that it waited too long for the body', async () => {
    befall({ kind: 'status', status: 400, code: 'RequestTimeout' }, 2);
    await store.put('k', body);
  });

  it('is named as what a server lacks where it is not implemented', async () => {
    befall({ kind: 'status', status: 501, code: 'NotImplemented' }, FOREVER);
    expect(await rejectionOf(store.put('k', body, { ifMatch: 'x' }))).toMatchObject({ code: 'unsupported' });
  });
});

describe('an upload in parts', () => {
  it('has the checksum of the whole, and at most a few parts under way', async () => {
    let running = 0;
    let most = 0;
    fake.hook = async ({ query }, moment) => {
      if (!query.has('partNumber')) return;
      running += moment === 'before' ? 1 : -1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 2));
    };
    await open({ partBytes: 10_000 }).put('new', streamOf(body.length));
    expect(Buffer.compare(fake.objects.get('bucket/new')!.body, body)).toBe(0);
    expect(fake.objects.get('bucket/new')!.crc32).toBeDefined();
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
    expect(fake.log.filter((line) => line.includes('partNumber'))).toHaveLength(30);
  });

  it('leaves nothing behind when a part cannot be sent or the source breaks', async () => {
    fake.faults.push({
      effect: { kind: 'status', status: 500, code: 'InternalError' },
      on: ({ query }) => query.get('partNumber') === '2',
      times: FOREVER,
    });
    const writer = open({ partBytes: 50_000 });
    expect((await rejectionOf(writer.put('new', body))).code).toBe('unavailable');
    expect((await rejectionOf(writer.put('new', { ...streamOf(200_000), bytes: 200_001 }))).code).toBe(
      'bad-input',
    );
    expect([fake.uploads.size, fake.objects.size]).toEqual([0, 0]);
  });

  it('can be swept when its process died, by the age it has on the server', async () => {
    fake.clockOffsetMs = 3_600_000;
    fake.faults.push({
      effect: { kind: 'status', status: 403, code: 'AccessDenied' },
      on: ({ method, query }) => method === 'DELETE' && query.has('uploadId'),
    });
    const broken = { ...streamOf(200_000), bytes: 200_001 };
    await rejectionOf(open({ partBytes: 50_000 }).put('left', broken));
    expect(fake.uploads.size).toBe(1);
    expect(await store.sweep(600_000)).toBe(0);
    fake.clockOffsetMs += 700_000;
    expect(await store.sweep(600_000)).toBe(1);
    expect(fake.uploads.size).toBe(0);
  });
});

describe('S3', () => {
  it.each([-5_000_000, 86_400_000])('is used with a clock that is off by %d ms', async (offset) => {
    fake.clockOffsetMs = offset;
    await store.put('k', body);
    await calls.get!();
  });

  it('lists what a stale listing lacks as soon as the listing has it, and reads it at once', async () => {
    await store.put('k', body);
    befall({ kind: 'stale-list', without: 'k' });
    expect(await collect(store.list(''))).toEqual([]);
    await calls.get!();
    await calls.list!();
  });

  it('is refused when it lists in another order or without end', async () => {
    fake.pageSize = 1;
    await store.put('a', body);
    await store.put('b', body);
    // The first page again and again.
    fake.hook = ({ query }) => query.delete('continuation-token');
    expect((await rejectionOf(collect(store.list('')))).code).toBe('unsupported');
  });

  it('passes over objects that are no keys', async () => {
    for (const key of ['folder/', '.hidden', 'a//b', 'a\nb', 'fine']) {
      fake.objects.set(`bucket/${key}`, { body, etag: 'x', modifiedMs: 0, crc32: undefined, encryption: {} });
    }
    expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['fine']);
  });

  it('encrypts with KMS when told so, whole or in parts', async () => {
    const kmsKey = 'alias/detectors';
    await open({ kmsKey }).put('a', body);
    await open({ kmsKey, partBytes: 100_000 }).put('b', body);
    await open({ kmsKey: 'aws/s3' }).put('c', body);
    const headers = {
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': kmsKey,
    };
    expect(fake.objects.get('bucket/a')!.encryption).toEqual(headers);
    expect(fake.objects.get('bucket/b')!.encryption).toEqual(headers);
    expect(fake.objects.get('bucket/c')!.encryption).toEqual({ 'x-amz-server-side-encryption': 'aws:kms' });
  });

  it('keeps to its prefix', async () => {
    const { endpoint, credentials } = fake;
    await openS3Store('s3://bucket/a/b/', { endpoint, credentials }).put('k', body);
    expect([...fake.objects.keys()]).toEqual(['bucket/a/b/k']);
    expect(await collect(openS3Store('s3://bucket/a', { endpoint, credentials }).list(''))).toMatchObject([
      { key: 'b/k' },
    ]);
  });

  it('says what is wrong with bucket, credentials, permission and endpoint', async () => {
    const { endpoint, credentials } = fake;
    const retries = { attempts: 2, baseDelayMs: 1 };
    const missing = openS3Store('s3://nowhere', { endpoint, credentials, retries });
    expect(await rejectionOf(missing.put('k', body))).toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('bucket'),
    });
    const stranger = open({ credentials: { accessKeyId: 'AKIASTRANGER', secretAccessKey: SECRET } });
    expect(await rejectionOf(stranger.put('k', body))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('InvalidAccessKeyId'),
    });
    const nobody = open({
      credentials: () =>
        Promise.reject(Object.assign(new Error('none'), { name: 'CredentialsProviderError' })),
    });
    expect(await rejectionOf(nobody.put('k', body))).toMatchObject({
      hint: expect.stringContaining('AWS_PROFILE'),
    });
    befall({ kind: 'status', status: 301, code: 'PermanentRedirect' });
    expect(await rejectionOf(store.put('k', body))).toMatchObject({
      hint: expect.stringContaining('AWS_REGION'),
    });
    const closed = openS3Store('s3://bucket', { endpoint: 'http://127.0.0.1:1', credentials, retries });
    expect(await rejectionOf(closed.put('k', body))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('tried 2 times'),
    });
  });

  it('never shows credentials or signatures', async () => {
    await store.put('k', body);
    const statuses = [400, 403, 404, 409, 412, 416, 429, 500, 501, 503];
    for (const status of statuses) {
      for (const call of Object.keys(calls)) {
        fake.faults.length = 0;
        befall({ kind: 'status', status, code: 'SignatureDoesNotMatch' }, FOREVER);
        const error: unknown = await calls[call]!().then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        const shown = inspect(error, { depth: 20, showHidden: true });
        expect(shown).not.toMatch(/AKIA|StringToSign|Signature=|X-Amz-|authorization|secret-that/i);
      }
    }
  });
});

describe('an address of S3', () => {
  it.each([
    's3://',
    's3://ab',
    's3://UPPER/x',
    's3://a..b/x',
    's3://key:secret@bucket/x',
    's3://bucket/x?X-Amz-Signature=secret',
    's3://bucket/../x',
    's3://bucket//x',
    's3://bucket/a\nb',
    `s3://bucket/${'x'.repeat(200)}/${'y'.repeat(1000)}`,
  ])('is not %j', (address) => {
    expect(() => openS3Store(address)).toThrow(
      expect.objectContaining({ name: 'HimplosError', message: expect.not.stringContaining('secret') }),
    );
  });

  it.each(['http://user:secret@host', 'ftp://host', 'host:9000', 'http://host/?secret=1'])(
    'has no endpoint %j',
    (endpoint) => {
      expect(() => openS3Store('s3://bucket', { endpoint })).toThrow(
        expect.objectContaining({ code: 'bad-usage', message: expect.not.stringContaining('secret') }),
      );
    },
  );
});
