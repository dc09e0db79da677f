import { beforeAll, describe, expect, it } from 'vitest';
import { encodeNpy } from '../../shared/formats/npy.ts';
import { encodeSafetensors } from '../../shared/formats/safetensors.ts';
import { prepareTwin } from '../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import { f32 } from '../../shared/tensor.ts';
import { type Random, seeded } from '../shared/kernel/heads.ts';
import { localApp } from './local-app.ts';
import { type MadeDetector, makeDetector } from './published.ts';

const [CLASSES, WIDTH, ROWS] = [4, 12, 3];
const REQUESTS = 10_000;
/** What a request of a few kilobytes may cost beyond what its answer holds. */
const MEMORY_BUDGET = 64 * 1024 * 1024;

interface Draft {
  path: string;
  body: Uint8Array;
  headers: Record<string, string>;
}

describe('10,000 mutated requests', () => {
  let made: MadeDetector;
  let app: Awaited<ReturnType<typeof localApp>>;
  let features: Float32Array;
  let expected: number[];

  beforeAll(async () => {
    made = await makeDetector(CLASSES, WIDTH);
    app = await localApp(made);
    features = made.features.slice(0, ROWS * WIDTH);
    const scores = allocateScores(ROWS);
    prepareTwin(made.fitted).score(features, ROWS, scores);
    expected = [...scores.score];
  });

  it('are refused with a code and a hint, or answered rightly', async () => {
    const random = seeded(2026);
    const counts = new Map<number, number>();
    const before = process.memoryUsage();
    for (let i = 0; i < REQUESTS; i++) {
      const draft = drafts(features)[i % 6]!;
      const isMutated = i >= 60;
      if (isMutated) mutate(draft, random);
      const response = await app.fetch(
        new Request(`http://localhost${draft.path}`, {
          method: 'POST',
          headers: draft.headers,
          body: draft.body as Uint8Array<ArrayBuffer>,
        }),
      );
      const bytes = new Uint8Array(await response.arrayBuffer());
      counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
      const context = `request ${i}: ${draft.path} ${JSON.stringify(draft.headers)} ${response.status}`;
      if (response.status === 200) expectRightAnswer(draft, response, bytes, context);
      else expectRefusal(draft, response.status, bytes, context);
      if (!isMutated) expect(response.status, context).toBe(200);
    }
    expect(app.bugs).toEqual([]);
    expect(counts.get(400)).toBeGreaterThan(REQUESTS / 4);
    expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(MEMORY_BUDGET);
  });

  it.each<[string, string]>([
    ['a deep array', `{"features":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['a number beyond float32', `{"features":[${'1e39,'.repeat(WIDTH - 1)}0]}`],
    ['a number beyond float64', `{"features":[${'1e999,'.repeat(WIDTH - 1)}0]}`],
    ['a key given twice', '{"features":[1],"features":[2]}'],
    ['__proto__', '{"__proto__":{"features":[1]}}'],
    ['null', 'null'],
    ['too many samples', JSON.stringify({ features: Array(5000).fill(Array(WIDTH).fill(0)) })],
    ['a ragged batch', JSON.stringify({ features: [Array(WIDTH).fill(0), [1]] })],
    ['a string among numbers', JSON.stringify({ features: ['1', ...Array(WIDTH - 1).fill(0)] })],
    ['seven megabytes', `{"features":"${'x'.repeat(7e6)}"}`],
  ])('refuses %s', async (_, body) => {
    const before = process.memoryUsage().rss;
    const response = await app.fetch(
      new Request('http://localhost/v1/score', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      }),
    );
    expect([400, 413]).toContain(response.status);
    expect(await response.json()).toMatchObject({
      error: { code: expect.any(String), hint: expect.any(String) },
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(4 * MEMORY_BUDGET);
  });

  function expectRefusal(draft: Draft, status: number, bytes: Uint8Array, context: string): void {
    expect(status, context).toBeGreaterThanOrEqual(400);
    expect(status, context).toBeLessThan(500);
    const { error } = JSON.parse(new TextDecoder().decode(bytes));
    if (draft.path.startsWith('/v2')) expect(error, context).toBeTypeOf('string');
    else expect(error, context).toMatchObject({ code: expect.any(String), message: expect.any(String) });
  }

  /** A mutation that leaves a valid request has changed values at most: scores are then those of these values. */
  function expectRightAnswer(draft: Draft, response: Response, bytes: Uint8Array, context: string): void {
    const length = response.headers.get('inference-header-content-length');
    const json = JSON.parse(
      new TextDecoder().decode(bytes.subarray(0, length ? Number(length) : bytes.length)),
    );
    const scores: number[] =
      json.results?.map((result: { score: number }) => result.score) ??
      json.predictions?.map((result: { score: number }) => result.score) ??
      json.outputs?.find((output: { name: string }) => output.name === 'score')?.data ??
      [];
    expect(
      scores.every((score) => Number.isFinite(score)),
      context,
    ).toBe(true);
    if (draft.headers['x-unchanged'] === 'yes') {
      scores.forEach((score, row) => {
        expect(score, context).toBeCloseTo(expected[row]!, 4);
      });
    }
  }
});

/** One valid request of every kind. */
function drafts(features: Float32Array): Draft[] {
  const encoder = new TextEncoder();
  const rows = Array.from({ length: ROWS }, (_, i) => [...features.subarray(i * WIDTH, (i + 1) * WIDTH)]);
  const bytes = new Uint8Array(features.slice().buffer);
  const json = (path: string, body: object): Draft => ({
    path,
    body: encoder.encode(JSON.stringify(body)),
    headers: { 'content-type': 'application/json', 'x-unchanged': 'yes' },
  });
  const tensor = { name: 'features', datatype: 'FP32', shape: [ROWS, WIDTH] };
  const head = encoder.encode(
    JSON.stringify({ inputs: [{ ...tensor, parameters: { binary_data_size: bytes.length } }] }),
  );
  return [
    json('/v1/score', { features: rows }),
    json('/v1/score?detail=full', { features_base64: Buffer.from(bytes).toString('base64'), fdr: 0.1 }),
    json('/v2/models/birds/infer', { inputs: [{ ...tensor, data: rows.flat() }] }),
    {
      path: '/v2/models/birds/infer',
      body: new Uint8Array(Buffer.concat([head, bytes])),
      headers: { 'inference-header-content-length': String(head.length), 'x-unchanged': 'yes' },
    },
    {
      path: '/v1/score',
      body: encodeNpy(f32(features, ROWS, WIDTH)),
      headers: { 'content-type': 'application/x-npy', 'x-unchanged': 'yes' },
    },
    {
      path: '/v1/score',
      body: encodeSafetensors({ features: f32(features, ROWS, WIDTH) }),
      headers: { 'content-type': 'application/x-safetensors', 'x-unchanged': 'yes' },
    },
  ];
}

const SNIPPETS = [
  'NaN',
  'Infinity',
  '-1',
  '[',
  ']',
  '{',
  '}',
  'null',
  '"',
  ',',
  '1e400',
  'true',
  '\\u0000',
  '=',
  '[[[[',
];

/** Changes a request: bytes, length, a snippet, or headers. */
function mutate(draft: Draft, random: Random): void {
  const pick = (count: number) => Math.floor(random.uniform() * count);
  draft.headers['x-unchanged'] = 'no';
  const { body } = draft;
  switch (pick(7)) {
    case 0:
      for (let k = pick(4); k >= 0; k--) body[pick(body.length)] = pick(256);
      break;
    case 1:
      draft.body = body.slice(0, pick(body.length));
      break;
    case 2:
      draft.body = new Uint8Array(Buffer.concat([body, Buffer.alloc(1 + pick(100), pick(256))]));
      break;
    case 3: {
      const at = pick(body.length);
      const snippet = Buffer.from(SNIPPETS[pick(SNIPPETS.length)]!);
      const cut = at + pick(3);
      draft.body = new Uint8Array(Buffer.concat([body.subarray(0, at), snippet, body.subarray(cut)]));
      break;
    }
    case 4: {
      const from = pick(body.length);
      body.copyWithin(pick(body.length), from, from + pick(50));
      break;
    }
    case 5: {
      const lengths = ['-1', '0', '1e9', 'x', String(pick(2 * body.length)), '9'.repeat(30)];
      draft.headers['inference-header-content-length'] = lengths[pick(lengths.length)]!;
      break;
    }
    default: {
      const types = [
        'application/json',
        'application/x-npy',
        'application/x-safetensors',
        'application/octet-stream',
        'text/plain',
        '',
      ];
      draft.headers['content-type'] = types[pick(types.length)]!;
    }
  }
}
