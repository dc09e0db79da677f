import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { Context } from 'aws-lambda';
import { afterEach, expect, it, vi } from 'vitest';
import { createHandler } from '../../functions/embeddings/application.ts';
import type { createApp } from '../../functions/http/app.ts';
import type { DetectorCache } from '../../functions/runtime/detector-cache.ts';
import { Telemetry } from '../../functions/runtime/telemetry.ts';
import { HimplosError } from '../../shared/errors.ts';

afterEach(() => vi.restoreAllMocks());

it('writes nothing before the first answer is on its way, and then all of it in order', async () => {
  const lines: Record<string, unknown>[] = [];
  // Errors go to the other stream.
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      for (const line of String(chunk).split('\n')) if (line.startsWith('{')) lines.push(JSON.parse(line));
      return true;
    });
  }
  const telemetry = new Telemetry('birds');
  telemetry.begin('first');
  telemetry.stage('acquire', 3);
  telemetry.failed(new HimplosError('bad-input', 'quotes the request', { hint: 'send another' }), 400);
  telemetry.end();
  telemetry.begin('second');
  telemetry.failed(new HimplosError('unavailable', 'the store is gone', { hint: 'wait' }), 503);
  telemetry.end();
  expect(lines).toEqual([]);
  for (let i = 0; lines.length < 4 && i < 500; i++) await delay(10);
  expect(lines).toMatchObject([
    { message: 'request refused', request_id: 'first', code: 'bad-input', detector: 'birds' },
    { Requests: 1, ColdStarts: 1, Refusals: 1, Latency_acquire: 3, detector: 'birds' },
    { message: 'request failed', request_id: 'second', reason: 'the store is gone' },
    { Requests: 1, Failures: 1 },
  ]);
  expect(JSON.stringify(lines)).not.toContain('quotes');
  expect(lines[3]).not.toHaveProperty('ColdStarts');

  telemetry.begin('third');
  telemetry.end();
  expect(lines).toHaveLength(5);
});

it('finishes the detector once the first answer is on its way, not while the cache settles', async () => {
  const finish = vi.fn();
  const cache = {
    acquire: () => Promise.reject(new HimplosError('unavailable', 'none', { hint: 'wait' })),
    bindInvocation: () => undefined,
    settle: () => delay(20),
    finish,
  } as unknown as DetectorCache;
  const telemetry = { begin: vi.fn(), failed: vi.fn(), end: vi.fn() } as unknown as Telemetry;
  const handler = createHandler({} as ReturnType<typeof createApp>, cache, telemetry);
  await handler({}, { getRemainingTimeInMillis: () => 1000 } as Context);
  expect(finish).not.toHaveBeenCalled();
  await turn();
  expect(finish).toHaveBeenCalledTimes(1);
  await handler({}, { getRemainingTimeInMillis: () => 1000 } as Context);
  await turn();
  expect(finish).toHaveBeenCalledTimes(1);
});
