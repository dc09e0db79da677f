import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeNpy } from '../../shared/formats/npy.ts';
import { encodeSafetensors } from '../../shared/formats/safetensors.ts';
import { prepareTwin } from '../../shared/kernel/prepare-scorer.ts';
import { allocateScores, type Scores } from '../../shared/methods/contract.ts';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { f32 } from '../../shared/tensor.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { type LambdaHost, startLambda } from '../servers/lambda-runtime-api.ts';
import { functionUrlEvent, httpApiEvent } from './events.ts';
import { environmentOf, type MadeDetector, makeDetector, publish, storeOf } from './published.ts';
import { unpack } from './unpacked.ts';

const [CLASSES, WIDTH, ROWS] = [10, 64, 5];

/** AWS's own client has native code that takes a minute to compile: test/peers/check_ric.sh does, and says where it is. */
const ric = process.env.HIMPLOS_RIC;
const clients: [string, readonly string[] | undefined][] = [
  ["the project's own runtime client", undefined],
  ['aws-lambda-ric (needs its index.mjs in $HIMPLOS_RIC)', [process.execPath, ric ?? '']],
];

describe.each(clients)('the built embeddings function, run by %s', (_client, client) => {
  if (client !== undefined && ric === undefined) {
    it.skip('is not run', () => undefined);
    return;
  }
  let unpacked: Awaited<ReturnType<typeof unpack>>;
  let s3: FakeS3;
  let host: LambdaHost;
  let made: MadeDetector;
  let version: string;
  let expected: Scores;
  let features: Float32Array;

  beforeAll(async () => {
    unpacked = await unpack('embeddings');
    s3 = await startFakeS3();
    made = await makeDetector(CLASSES, WIDTH);
    version = await publish(storeOf(s3), made);
    features = made.features.slice(0, ROWS * WIDTH);
    expected = allocateScores(ROWS);
    prepareTwin(made.fitted).score(features, ROWS, expected);
    host = await startLambda({
      taskRoot: unpacked.taskRoot,
      handler: 'index.handler',
      environment: environmentOf(s3),
      ...(client !== undefined && { client }),
    });
  });
  afterAll(async () => {
    await host?.stop();
    await s3?.close();
    unpacked?.remove();
  });

  const rowsOf = () =>
    Array.from({ length: ROWS }, (_, i) => [...features.slice(i * WIDTH, (i + 1) * WIDTH)]);
  const bytesOf = () => new Uint8Array(features.buffer, features.byteOffset, features.byteLength);

  /** Invokes with an HTTP event and takes its answer apart. */
  async function send(event: unknown): Promise<{ status: number; body: unknown }> {
    const { payload, functionError } = await host.invoke(event);
    expect(functionError).toBeUndefined();
    const { statusCode, body } = payload as APIGatewayProxyStructuredResultV2;
    return { status: statusCode!, body: JSON.parse(body!) };
  }

  function expectScores(answer: unknown, rows = ROWS): void {
    const { artifact_version, gamma, method, results } = answer as ScoreAnswer;
    expect(artifact_version).toBe(version);
    expect(gamma).toBe(made.gamma);
    expect(method).toBe(made.fitted.detector.spec);
    expect(results).toHaveLength(rows);
    results.forEach((result, row) => {
      const score = expected.score[row]!;
      expect(Math.abs(result.score - score)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(score)));
      expect(result.predicted_class).toBe(expected.predicted[row]);
      expect(result.predicted_name).toBe(`class ${expected.predicted[row]}`);
      expect(result.decision).toBe(score >= made.gamma ? 'id' : 'ood');
      expect(result.cosine).toBeCloseTo(expected.cosine[row]!, 9);
      expect(result.p_value).toBeGreaterThan(0);
      expect(result.warnings).toEqual([]);
    });
  }

  it.each([
    ['a Function URL', functionUrlEvent],
    ['an HTTP API with a stage', httpApiEvent],
  ])('scores every kind of body from %s', async (_, event) => {
    const bodies: [string | Uint8Array, string][] = [
      [JSON.stringify({ features: rowsOf() }), 'application/json; charset=utf-8'],
      [JSON.stringify({ features_base64: Buffer.from(bytesOf()).toString('base64') }), 'application/json'],
      [new TextEncoder().encode(JSON.stringify({ features: rowsOf() })), 'application/json'],
      [bytesOf(), 'application/octet-stream'],
      [encodeNpy(f32(features, ROWS, WIDTH)), 'application/x-npy'],
      [encodeNpy(f32(features, ROWS, WIDTH)), 'application/octet-stream'],
      [encodeSafetensors({ features: f32(features, ROWS, WIDTH) }), 'application/x-safetensors'],
    ];
    for (const [body, type] of bodies) {
      const { status, body: answer } = await send(event('POST', '/v1/score', body, { 'content-type': type }));
      expect([type, status]).toEqual([type, 200]);
      expectScores(answer);
    }
  });

  it('scores one vector and direct invocations', async () => {
    const one = await send(functionUrlEvent('POST', '/v1/score', JSON.stringify({ features: rowsOf()[0] })));
    expectScores(one.body, 1);
    const direct = await host.invoke({ features: rowsOf() });
    expect(direct.functionError).toBeUndefined();
    expectScores(direct.payload);
    const refused = await host.invoke({ features: [1, 2] });
    expect(refused.payload).toMatchObject({ error: { code: 'bad-input' } });
  });

  it('adds reasons and Benjamini–Hochberg decisions on request', async () => {
    const event = functionUrlEvent(
      'POST',
      '/v1/score?detail=full&fdr=0.1',
      JSON.stringify({ features: rowsOf() }),
    );
    const { body } = await send(event);
    expectScores(body);
    for (const result of (body as ScoreAnswer).results) {
      expect(result.fdr_ood).toBeTypeOf('boolean');
      const detail = result.detail as { energy: Record<string, number>; top_channels: object[] };
      expect(Object.keys(detail.energy)).toEqual(['original', 'masked', 'clipped', 'smoothed']);
      expect(detail.energy.smoothed).toBeCloseTo(result.score, 4);
      expect(detail.top_channels).toHaveLength(10);
    }
  });

  it('speaks KServe V1 and the Open Inference Protocol', async () => {
    const predict = await send(
      functionUrlEvent('POST', '/v1/models/birds:predict', JSON.stringify({ instances: rowsOf() })),
    );
    const { predictions } = predict.body as { predictions: { score: number; artifact_version: string }[] };
    expect(predictions.map(({ artifact_version }) => artifact_version)).toEqual(Array(ROWS).fill(version));
    const infer = await send(
      functionUrlEvent(
        'POST',
        '/v2/models/birds/infer',
        JSON.stringify({
          id: '7',
          inputs: [{ name: 'features', datatype: 'FP32', shape: [ROWS, WIDTH], data: rowsOf().flat() }],
        }),
      ),
    );
    const { id, model_version, outputs } = infer.body as {
      id: string;
      model_version: string;
      outputs: { name: string; data: number[] }[];
    };
    expect([id, model_version]).toEqual(['7', version]);
    expect(outputs.find(({ name }) => name === 'score')!.data).toEqual(predictions.map(({ score }) => score));
    expect(outputs.map(({ name }) => name)).toEqual([
      'score',
      'is_ood',
      'predicted_class',
      'p_value',
      'cosine',
    ]);
  });

  it('takes and gives binary tensors', async () => {
    const json = new TextEncoder().encode(
      JSON.stringify({
        inputs: [
          {
            name: 'features',
            datatype: 'FP32',
            shape: [ROWS, WIDTH],
            parameters: { binary_data_size: features.byteLength },
          },
        ],
        outputs: [{ name: 'score', parameters: { binary_data: true } }, { name: 'is_ood' }],
      }),
    );
    const event = functionUrlEvent('POST', '/v2/models/birds/infer', Buffer.concat([json, bytesOf()]), {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(json.length),
    });
    const { payload } = await host.invoke(event);
    const { statusCode, headers, body, isBase64Encoded } = payload as APIGatewayProxyStructuredResultV2;
    expect([statusCode, isBase64Encoded]).toEqual([200, true]);
    const bytes = Buffer.from(body!, 'base64');
    const length = Number(headers!['inference-header-content-length']);
    const { outputs } = JSON.parse(bytes.subarray(0, length).toString());
    expect(outputs[0]).toEqual({
      name: 'score',
      datatype: 'FP64',
      shape: [ROWS],
      parameters: { binary_data_size: 8 * ROWS },
    });
    const scores = new Float64Array(new Uint8Array(bytes.subarray(length)).buffer);
    for (const [row, score] of scores.entries()) expect(score).toBeCloseTo(expected.score[row]!, 4);
    expect(outputs[1].data).toEqual(
      Array.from(expected.score.subarray(0, ROWS), (score) => score < made.gamma),
    );
  });

  it('describes itself', async () => {
    const get = (path: string) => send(functionUrlEvent('GET', path));
    expect((await get('/v1/detector')).body).toMatchObject({ artifact_version: version, width: WIDTH });
    expect((await get('/healthz')).body).toEqual({ status: 'ok', artifact_version: version });
    expect((await get('/v1/models')).body).toEqual({ models: ['birds'] });
    expect((await get('/v2')).body).toMatchObject({ extensions: ['binary_tensor_data'] });
    expect((await get('/v2/health/ready')).status).toBe(200);
    expect((await get('/v2/models/birds')).body).toMatchObject({ name: 'birds', versions: [version] });
    expect((await get(`/v2/models/birds/versions/${version}/ready`)).status).toBe(200);
    expect((await get('/openapi.json')).body).toMatchObject({
      components: { schemas: { Sample: { minItems: WIDTH, maxItems: WIDTH } } },
    });
    const page = (await host.invoke(functionUrlEvent('GET', '/'))).payload as { body: string };
    expect(page.body).toContain('POST /v1/score');
  });

  it('says what is wrong with a request', async () => {
    const cases: [string, string, string | undefined, number, RegExp][] = [
      ['POST', '/v1/score', '{"features":[1,2]}', 400, /expected 64 numbers a sample, got 2/],
      ['POST', '/v1/score', '{', 400, /not valid JSON/],
      ['POST', '/v1/score', '{"features":[]}', 400, /at least one sample/],
      ['POST', '/v1/nothing', '{}', 404, /there is no/],
      ['GET', '/v1/score', undefined, 405, /does not take GET/],
      ['TRACE', '/v1/score', undefined, 405, /TRACE is not taken/],
      ['POST', '/v1/models/cats:predict', '{}', 404, /expected birds/],
      ['GET', '/v2/models/birds/versions/1/ready', undefined, 404, /not being served/],
    ];
    for (const [method, path, body, status, message] of cases) {
      const answer = await send(functionUrlEvent(method, path, body));
      expect([path, answer.status]).toEqual([path, status]);
      const { error } = answer.body as { error: string | { message: string; hint: string } };
      expect(typeof error === 'string' ? error : error.message).toMatch(message);
      if (typeof error !== 'string') expect(error.hint).toBeTypeOf('string');
    }
    const xml = functionUrlEvent('POST', '/v1/score', '<a/>', { 'content-type': 'text/xml' });
    expect((await send(xml)).status).toBe(415);
  });

  it('logs and counts without payloads', async () => {
    const lines = host
      .logs()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const metrics = lines.filter((line) => '_aws' in line);
    expect(metrics.filter((line) => line.ColdStarts === 1)).toHaveLength(1);
    expect(metrics.some((line) => line.Samples === ROWS && line.artifact_version === version)).toBe(true);
    expect(metrics.every((line) => line.detector === 'birds' && line.Requests === 1)).toBe(true);
    for (const line of metrics.filter(({ Samples }) => Samples !== undefined)) {
      const tenths = Object.entries(line).filter(([name]) => /^ScoreTenth([1-9]|10)$/.test(name));
      expect(tenths.reduce((total, [, count]) => total + Number(count), 0)).toBe(line.Samples);
      expect(line.OodShare).toSatisfy((share: number) => share >= 0 && share <= 100);
      expect(line.ArtifactAge).toSatisfy((seconds: number) => seconds >= 0 && seconds < 3600);
      for (const stage of ['Latency', 'Latency_score']) expect(line[stage]).toBeTypeOf('number');
    }
    const scored = metrics.find((line) => line.Samples === ROWS)!;
    const decided = [...expected.score].filter((score) => score < made.gamma).length;
    expect(scored.OodShare).toBeCloseTo((100 * decided) / ROWS, 6);
    for (const stage of ['acquire', 'parse', 'respond']) {
      expect(metrics.some((line) => typeof line[`Latency_${stage}`] === 'number')).toBe(true);
    }
    expect(metrics.some((line) => line.Refusals === 1)).toBe(true);
    expect(metrics.every((line) => line.Failures === undefined)).toBe(true);
    for (const value of features.filter((x) => x > 0).subarray(0, 20)) {
      expect(host.logs()).not.toContain(String(value));
    }
    expect(host.logs()).not.toContain(s3.credentials.secretAccessKey);
  });
});
