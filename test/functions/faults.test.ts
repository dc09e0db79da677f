import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { prepareTwin } from '../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import { type Effect, type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import type { LambdaHost } from '../servers/lambda-runtime-api.ts';
import { type HttpAnswer, send, type UnpackedFunction, unpackEmbeddings } from './built-function.ts';
import { functionUrlEvent } from './events.ts';
import { environmentOf, type MadeDetector, makeDetector, publish, storeOf } from './published.ts';

const [CLASSES, WIDTH] = [10, 300];

describe('the function and a store that fails', () => {
  let unpacked: UnpackedFunction;
  let s3: FakeS3;
  let host: LambdaHost | undefined;
  let first: MadeDetector;
  let second: MadeDetector;
  let version: string;

  beforeAll(async () => {
    unpacked = await unpackEmbeddings();
    first = await makeDetector(CLASSES, WIDTH, { seed: 1 });
    second = await makeDetector(CLASSES, WIDTH, { seed: 2 });
  });
  afterAll(() => unpacked.remove());
  beforeEach(async () => {
    s3 = await startFakeS3();
    version = await publish(storeOf(s3), first);
  });
  afterEach(async () => {
    await host?.stop();
    await s3.close();
  });

  const features = () => [...first.features.subarray(0, WIDTH)];
  const event = () => functionUrlEvent('POST', '/v1/score', JSON.stringify({ features: features() }));
  const start = async (extra: Record<string, string> = {}) => {
    host = await unpacked.start({ ...environmentOf(s3), ...extra });
    return host;
  };

  /** The answer is a whole one, of this detector and no other. */
  function expectAnswerOf(answer: HttpAnswer, made: MadeDetector, madeVersion: string): void {
    const expected = allocateScores(1);
    prepareTwin(made.fitted).score(Float32Array.from(features()), 1, expected);
    expect(answer.status).toBe(200);
    expect(answer.body.artifact_version).toBe(madeVersion);
    expect(answer.body.gamma).toBe(made.gamma);
    expect(answer.body.results[0]!.score).toBeCloseTo(expected.score[0]!, 4);
  }

  it.each<[string, Effect]>([
    ['an error 500', { kind: 'status', status: 500, code: 'InternalError' }],
    ['an error 503', { kind: 'status', status: 503, code: 'SlowDown' }],
    ['a closed connection', { kind: 'reset' }],
    ['a body cut short', { kind: 'reset-in-body', afterBytes: 1000 }],
    ['a body shorter than announced', { kind: 'wrong-length', delta: -10 }],
    ['a changed byte', { kind: 'flip', at: 9000 }],
    ['a changed first byte', { kind: 'flip', at: 0 }],
    ['silence', { kind: 'silence' }],
  ])('gets over %s while loading', async (_, effect) => {
    s3.faults.push({ effect, on: ({ key }) => key.endsWith('detector.safetensors'), times: 1 });
    expectAnswerOf(await send(await start(), event()), first, version);
  });

  it('says why there is no detector, and serves it once there is', async () => {
    const damaged = { effect: { kind: 'flip' as const, at: 9000 }, times: 1000 };
    s3.faults.push({ ...damaged, on: ({ key }) => key.endsWith('detector.safetensors') });
    await start();
    for (let i = 0; i < 2; i++) {
      const { status, body } = await send(host!, event());
      expect(status).toBe(503);
      expect(body.error!.message).toMatch(/no detector can be served: .*SHA-256/);
    }
    s3.faults.length = 0;
    expectAnswerOf(await send(host!, event()), first, version);
  });

  it('says that nothing was promoted, and serves what is promoted later', async () => {
    s3.objects.clear();
    await start();
    expect((await send(host!, event())).body.error!.message).toMatch(/has no channel production/);
    version = await publish(storeOf(s3), first);
    expectAnswerOf(await send(host!, event()), first, version);
  });

  it.each([
    ['detector', 'HIMPLOS_DETECTOR'],
    ['channel', 'HIMPLOS_CHANNEL'],
  ])('says that the name of its %s cannot be one', async (what, variable) => {
    await start({ [variable]: 'a/b' });
    const { status, body } = await send(host!, event());
    expect(status).toBe(503);
    expect(body.error!.message).toMatch(new RegExp(`no detector can be served: ${what} name "a/b"`));
  });

  it('gives up loading before the function’s own deadline', async () => {
    s3.faults.push({ effect: { kind: 'silence' }, times: 1000 });
    await start({ HIMPLOS_LOAD_TIMEOUT_SECONDS: '1' });
    const { status, body } = await send(host!, event());
    expect([status, body.error!.code]).toEqual([503, 'unavailable']);
  });

  it('goes over to a new version in mid-flight, with every answer from one whole version', async () => {
    await start({ HIMPLOS_REFRESH_SECONDS: '0' });
    const seen = new Map<string, number>();
    let next: string | undefined;
    for (let i = 0; i < 300; i++) {
      if (i === 100) next = await publish(storeOf(s3), second);
      const answer = await send(host!, event());
      const isSecond = answer.body.artifact_version === next;
      expectAnswerOf(answer, isSecond ? second : first, isSecond ? next! : version);
      seen.set(answer.body.artifact_version, (seen.get(answer.body.artifact_version) ?? 0) + 1);
      if (seen.has(next!)) expect(isSecond).toBe(true);
    }
    // The first request after the change brings the news, the one after it is answered by the new version.
    expect(seen.get(version)).toBe(101);
    expect(seen.get(next!)).toBe(199);
  });

  it('keeps the old version while the new one is damaged', async () => {
    await start({ HIMPLOS_REFRESH_SECONDS: '0' });
    expectAnswerOf(await send(host!, event()), first, version);
    const next = await publish(storeOf(s3), second);
    s3.faults.push({ effect: { kind: 'flip', at: 9000 }, times: 1000, on: ({ key }) => key.includes(next) });
    for (let i = 0; i < 3; i++) expectAnswerOf(await send(host!, event()), first, version);
    expect(host!.logs()).toContain('"RefreshFailures":1');
    s3.faults.length = 0;
    await send(host!, event());
    expectAnswerOf(await send(host!, event()), second, next);
  });

  it.each<[string, Effect]>([
    ['fails', { kind: 'status', status: 500, code: 'InternalError' }],
    ['is silent', { kind: 'silence' }],
  ])('serves the last known good version while the store %s, but not for ever', async (_, effect) => {
    await start({
      HIMPLOS_REFRESH_SECONDS: '0',
      HIMPLOS_MAX_STALE_SECONDS: '1',
      HIMPLOS_LOAD_TIMEOUT_SECONDS: '1',
    });
    expectAnswerOf(await send(host!, event()), first, version);
    s3.faults.push({ effect, times: 100_000 });
    expectAnswerOf(await send(host!, event()), first, version);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const late = await send(host!, event());
    expect([late.status, late.body.error!.code]).toEqual([503, 'unavailable']);
    s3.faults.length = 0;
    expectAnswerOf(await send(host!, event()), first, version);
  });
});
