import { createHash } from 'node:crypto';
import type { Context, SQSBatchResponse } from 'aws-lambda';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BulkApplication, createBulkHandler } from '../../functions/bulk/application.ts';
import { INBOX, isInboxKey, SCORES, scoresKey, summaryKey } from '../../functions/bulk/bulk-keys.ts';
import { RankCounts } from '../../functions/bulk/discoveries.ts';
import { scoreBatch } from '../../functions/http/score.ts';
import type { ServingDetector } from '../../functions/http/service.ts';
import { prepareServing } from '../../functions/runtime/load-serving.ts';
import * as infra from '../../infra/constructs/bucket-layout.ts';
import { decodeDetector } from '../../shared/artifact/detector.ts';
import { sha256Hex } from '../../shared/artifact/digest.ts';
import { encodeNpy } from '../../shared/formats/npy.ts';
import { encodeSafetensors } from '../../shared/formats/safetensors.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { adjustPValues } from '../../shared/metrics/p-values.ts';
import { makeAnswer, type ScoreAnswer } from '../../shared/protocol/answer.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { randomFeatures, seeded } from '../shared/kernel/heads.ts';
import { makeDetector } from './published.ts';

const WIDTH = 48;
const ROWS = 700;
const QUIET = { scored: () => undefined, stage: () => undefined, failed: () => undefined };

let serving: ServingDetector;
let other: ServingDetector;
let features: Float32Array;
let expected: ScoreAnswer;
let s3: FakeS3;
let store: ObjectStore;

beforeAll(async () => {
  const load = async (seed: number) => {
    const { bytes } = await makeDetector(10, WIDTH, { seed });
    return prepareServing(await sha256Hex(bytes), await decodeDetector(bytes), await compileKernel());
  };
  serving = await load(1);
  other = await load(2);
  features = randomFeatures(seeded(9), ROWS, WIDTH);
  // Some that look like nothing known.
  for (let i = 0; i < 200 * WIDTH; i++) features[i]! *= 0.2;
  const scores = scoreBatch(serving, { rows: ROWS, features }, QUIET);
  expected = makeAnswer(serving, scores, ROWS, 0.05);
  s3 = await startFakeS3();
  store = openS3Store('s3://bucket', { endpoint: s3.endpoint, credentials: s3.credentials });
});
afterAll(() => s3.close());
beforeEach(() => {
  s3.objects.clear();
  s3.faults.length = 0;
});

/** What S3 writes about an object, with its key encoded as S3 does. */
function notification(key: string, bucket = 'bucket', eventName = 'ObjectCreated:Put'): object {
  const encoded = encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/');
  const object = {
    key: encoded,
    size: 1,
    eTag: 'd41d8cd98f00b204e9800998ecf8427e',
    sequencer: '0A1B2C3D4E5F678901',
  };
  const s3Part = {
    s3SchemaVersion: '1.0',
    configurationId: 'x',
    bucket: { name: bucket, arn: `arn:aws:s3:::${bucket}` },
    object,
  };
  return {
    Records: [{ eventVersion: '2.1', eventSource: 'aws:s3', awsRegion: 'us-east-1', eventName, s3: s3Part }],
  };
}

/** An event of SQS with these messages; texts go as they are. */
function queueEvent(...messages: readonly (object | string)[]): object {
  return {
    Records: messages.map((message, i) => ({
      messageId: `m${i}`,
      receiptHandle: 'x',
      body: typeof message === 'string' ? message : JSON.stringify(message),
      attributes: {},
      messageAttributes: {},
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:bulk',
      awsRegion: 'us-east-1',
    })),
  };
}

/** Runs the handler on an event; resolves to the messages that failed and to what became of the objects. */
async function handle(event: object, options: Partial<BulkApplication> & { from?: ServingDetector } = {}) {
  const outcomes: string[] = [];
  const { from = serving, ...rest } = options;
  const handler = createBulkHandler({
    cache: { acquire: async () => from, bindInvocation: () => undefined, settle: async () => undefined },
    telemetry: {
      ...QUIET,
      begin: () => undefined,
      end: () => undefined,
      note: (_, { outcome, key }) => void outcomes.push(`${outcome} ${key}`),
    },
    store,
    bucket: 'bucket',
    falseDiscoveryRate: 0.05,
    maxOutputBytes: 1e8,
    ...rest,
  });
  const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 60_000 } as Context;
  const answer = (await handler(event, context)) as SQSBatchResponse;
  return { failed: answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier), outcomes };
}

async function read(key: string): Promise<string> {
  return new TextDecoder().decode((await store.get(key, { maxBytes: 1e8 })).body);
}

async function readSummary(key: string, from = serving) {
  return JSON.parse(await read(summaryKey(key, from.version)));
}

const keys = () => [...s3.objects.keys()].map((key) => key.replace(/^bucket\//, '')).sort();

describe('bulk scores', () => {
  const shape = [ROWS, WIDTH];
  const inputs: Readonly<Record<string, () => Uint8Array>> = {
    'float32 .npy': () => encodeNpy({ dtype: 'F32', shape, data: features }),
    'float64 .npy': () => encodeNpy({ dtype: 'F64', shape, data: Float64Array.from(features) }),
    '.safetensors': () =>
      encodeSafetensors({
        labels: { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
        features: { dtype: 'F32', shape, data: features },
        z: { dtype: 'F64', shape: [2], data: Float64Array.of(1, 2) },
      }),
    '.jsonl': () => new TextEncoder().encode(jsonLines().join('\n')),
  };

  function jsonLines(): string[] {
    return Array.from({ length: ROWS }, (_, row) => {
      const sample = features.slice(row * WIDTH, (row + 1) * WIDTH);
      if (row % 3 === 0) return JSON.stringify([...sample]);
      if (row % 3 === 1) return `${JSON.stringify({ id: `s${row}`, features: [...sample] })}\n`;
      return JSON.stringify({ id: row, features_base64: Buffer.from(sample.buffer).toString('base64') });
    });
  }

  it.each(Object.keys(inputs))('%s as every other route does', async (kind) => {
    const key = `inbox/a b/größe+1.${kind.split('.').at(-1)}`;
    const input = inputs[kind]!();
    await store.put(key, input);
    const { failed, outcomes } = await handle(queueEvent(notification(key)));
    expect({ failed, outcomes }).toEqual({ failed: [], outcomes: [`scored ${key}`] });
    const lines = (await read(scoresKey(key, serving.version)))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const shown = expected.results.map(({ fdr_ood: _, ...result }, row) => {
      const id = kind !== '.jsonl' || row % 3 === 0 ? {} : { id: row % 3 === 1 ? `s${row}` : row };
      return { row, ...id, ...result };
    });
    expect(lines).toEqual(shown);
    const summary = await readSummary(key);
    const ood = shown.filter(({ decision }) => decision === 'ood').length;
    const discovered = expected.results.filter(({ fdr_ood }) => fdr_ood);
    expect(ood).toBeGreaterThan(30);
    expect(discovered.length).toBeGreaterThan(30);
    expect(summary).toMatchObject({
      status: 'scored',
      input: key,
      input_sha256: createHash('sha256').update(input).digest('hex'),
      artifact_version: serving.version,
      rows: ROWS,
      id: ROWS - ood,
      ood,
      ood_share: ood / ROWS,
      fdr: { q: 0.05, ood: discovered.length },
    });
    expect(lines.filter(({ p_value }) => p_value <= summary.fdr.p_threshold).length).toBe(discovered.length);
  });

  it('each content and version once, and a new one again, with the same bytes for the same input', async () => {
    const key = 'inbox/a.npy';
    const output = scoresKey(key, serving.version);
    await store.put(key, inputs['float32 .npy']!());
    const event = queueEvent(notification(key));
    expect((await handle(event)).outcomes).toEqual([`scored ${key}`]);
    const first = await read(output);
    const from = s3.log.length;
    expect((await handle(event)).outcomes).toEqual([`already-scored ${key}`]);
    expect(s3.log.slice(from).filter((line) => /^PUT|^GET bucket\/inbox/.test(line))).toEqual([]);
    await store.delete(summaryKey(key, serving.version));
    expect((await handle(event)).outcomes).toEqual([`scored ${key}`]);
    expect((await read(output)) === first).toBe(true);
    await store.put(key, encodeNpy({ dtype: 'F32', shape: [1, WIDTH], data: features.slice(0, WIDTH) }));
    expect((await handle(event)).outcomes).toEqual([`scored ${key}`]);
    expect((await read(output)).trim().split('\n').length).toBe(1);
    expect((await handle(event, { from: other })).outcomes).toEqual([`scored ${key}`]);
    expect(keys()).toEqual(
      [
        key,
        output,
        summaryKey(key, serving.version),
        scoresKey(key, other.version),
        summaryKey(key, other.version),
      ].sort(),
    );
  });

  it('again where it may not read its own summaries', async () => {
    const key = 'inbox/a.npy';
    await store.put(key, inputs['float32 .npy']!());
    await handle(queueEvent(notification(key)));
    const effect = { kind: 'status', status: 403, code: 'AccessDenied' } as const;
    s3.faults.push({
      effect,
      on: ({ method, key: asked }) => method === 'GET' && asked.startsWith('scores/'),
    });
    expect((await handle(queueEvent(notification(key)))).outcomes).toEqual([`scored ${key}`]);
  });

  it.each([
    [
      'another width',
      'a.npy',
      () => encodeNpy({ dtype: 'F32', shape: [2, 3], data: new Float32Array(6) }),
      /\[N, 48\]/,
    ],
    ['a truncated file', 'a.npy', () => inputs['float32 .npy']!().subarray(0, 5000), /expected \d+ bytes/],
    ['no array', 'a.npy', () => new Uint8Array(200), /magic/],
    ['an empty file', 'a.npy', () => new Uint8Array(0), /magic/],
    [
      'integers',
      'a.npy',
      () => encodeNpy({ dtype: 'I32', shape: [1, WIDTH], data: new Int32Array(WIDTH) }),
      /I32/,
    ],
    [
      'a number that is not finite',
      'a.npy',
      () => encodeNpy({ dtype: 'F32', shape, data: features.with(300 * WIDTH + 7, Number.NaN) }),
      /NaN in row 300, channel 7/,
    ],
    ['a broken .safetensors', 'a.safetensors', () => new Uint8Array(100).fill(7), /safetensors/],
    [
      'a bad line',
      'a.jsonl',
      () => new TextEncoder().encode(`[${features.slice(0, WIDTH)}]\n[1, 2]\n`),
      /line 2: .*48 numbers/,
    ],
    ['bytes that are no text', 'a.jsonl', () => Uint8Array.of(0xff, 0xfe, 0xfd), /UTF-8/],
    ['no lines', 'a.jsonl', () => new TextEncoder().encode('\n\n'), /at least one/],
    ['another kind of file', 'a.csv', () => new TextEncoder().encode('1,2'), /\.npy/],
    [
      'a listing for a detector without a model',
      'a.txt',
      () => new TextEncoder().encode('inbox/a.png'),
      /takes no images/,
    ],
  ])('nothing of %s, and says why, once', async (_, name, make, message) => {
    const key = `inbox/${name}`;
    await store.put(key, make());
    const event = queueEvent(notification(key));
    expect(await handle(event)).toEqual({ failed: [], outcomes: [`refused ${key}`] });
    const { status, error } = await readSummary(key);
    expect(status).toBe('refused');
    expect(error.message).toMatch(message);
    expect(keys()).toEqual([key, summaryKey(key, serving.version)]);
    expect(await handle(event)).toEqual({ failed: [], outcomes: [`already-scored ${key}`] });
  });

  it('refuses more output than the disk is given', async () => {
    await store.put('inbox/a.npy', inputs['float32 .npy']!());
    const { outcomes } = await handle(queueEvent(notification('inbox/a.npy')), { maxOutputBytes: 1000 });
    expect(outcomes).toEqual(['refused inbox/a.npy']);
  });
});

describe('bulk reports', () => {
  it('exactly the messages that are worth another attempt', async () => {
    for (const name of ['a', 'b', 'c']) {
      await store.put(
        `inbox/${name}.npy`,
        encodeNpy({ dtype: 'F32', shape: [1, WIDTH], data: features.slice(0, WIDTH) }),
      );
    }
    const denied = { kind: 'status', status: 403, code: 'AccessDenied' } as const;
    s3.faults.push({ effect: denied, on: ({ method, key }) => method === 'PUT' && key.includes('b.npy') });
    const messages = ['a', 'b', 'c'].map((name) => notification(`inbox/${name}.npy`));
    const { failed, outcomes } = await handle(
      queueEvent(...messages, 'what?', { Records: [{ eventName: 'ObjectCreated:Put' }] }),
    );
    expect(failed).toEqual(['m1', 'm3', 'm4']);
    expect(outcomes).toEqual(['scored inbox/a.npy', 'scored inbox/c.npy']);
    // The next attempt takes up where the first one failed.
    expect((await handle(queueEvent(...messages))).outcomes).toEqual([
      'already-scored inbox/a.npy',
      'scored inbox/b.npy',
      'already-scored inbox/c.npy',
    ]);
  });

  it('a failed invocation when S3 invoked it itself', async () => {
    await store.put(
      'inbox/a.npy',
      encodeNpy({ dtype: 'F32', shape: [1, WIDTH], data: features.slice(0, WIDTH) }),
    );
    const denied = { kind: 'status', status: 403, code: 'AccessDenied' } as const;
    s3.faults.push({ effect: denied, on: ({ method }) => method === 'PUT' });
    await expect(handle(notification('inbox/a.npy'))).rejects.toThrow(/access is denied/);
    expect((await handle(notification('inbox/a.npy'))).outcomes).toEqual(['scored inbox/a.npy']);
  });

  it('nothing of test messages, deletions and objects that are gone', async () => {
    const test = { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'bucket' };
    const removed = notification('inbox/a.npy', 'bucket', 'ObjectRemoved:Delete');
    const answer = await handle(queueEvent(test, removed, notification('inbox/gone.npy')));
    expect(answer).toEqual({ failed: [], outcomes: ['ignored inbox/gone.npy'] });
  });
});

describe('bulk is never started by its own output', () => {
  it('the handler ignores whatever is not below the inbox, before it reads anything', async () => {
    await store.put(
      'inbox/a.npy',
      encodeNpy({ dtype: 'F32', shape: [1, WIDTH], data: features.slice(0, WIDTH) }),
    );
    await handle(queueEvent(notification('inbox/a.npy')));
    const written = keys().filter((key) => key !== 'inbox/a.npy');
    const foreign = [
      'inbox/../scores/x.npy',
      'inbox',
      'inboxes/a.npy',
      '/inbox/a.npy',
      'store/inbox/a.npy',
      'Inbox/a.npy',
    ];
    const from = s3.log.length;
    const messages = [...written, ...foreign].map((key) => notification(key));
    const { failed, outcomes } = await handle(
      queueEvent(...messages, notification('inbox/a.npy', 'other-bucket')),
    );
    expect(failed).toEqual([]);
    expect(outcomes.length).toBe(messages.length + 1);
    for (const outcome of outcomes) expect(outcome).toMatch(/^ignored /);
    expect(s3.log.slice(from)).toEqual([]);
  });

  it('whatever an input is called, its outputs are not below the inbox, and the event filter knows the same prefixes', () => {
    expect([infra.INBOX, infra.SCORES]).toEqual([INBOX, SCORES]);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        const key = `inbox/${name}`;
        for (const output of [scoresKey(key, serving.version), summaryKey(key, serving.version)]) {
          expect(output.startsWith(infra.INBOX)).toBe(false);
          expect(isInboxKey(output)).toBe(false);
          expect(output.startsWith(infra.SCORES)).toBe(true);
        }
      }),
    );
  });
});

it('counted ranks give Benjamini and Hochberg’s decisions', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.nat(1000), { minLength: 1, maxLength: 200 }),
      fc.constantFrom(0.01, 0.05, 0.2, 0.5),
      (n, numbers, q) => {
        const pValues = Float64Array.from(numbers, (number) => (1 + (number % (n + 1))) / (n + 1));
        const counts = new RankCounts(n);
        for (const p of pValues) counts.add(p);
        const { pThreshold, count } = counts.discoveries(q);
        const adjusted = adjustPValues(pValues);
        expect(Array.from(pValues, (p) => p <= pThreshold)).toEqual(Array.from(adjusted, (p) => p <= q));
        expect(count).toBe(adjusted.filter((p) => p <= q).length);
      },
    ),
  );
});
