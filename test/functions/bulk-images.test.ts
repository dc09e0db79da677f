import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { calibrateDemoDetector, runQuietly } from '../calibrate/demo-detector.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { type LambdaHost, startLambda } from '../servers/lambda-runtime-api.ts';
import { environmentOf } from './published.ts';
import { publishFolder, unpack } from './unpacked.ts';

/** The binaries of the zip are those of x86_64 Linux. */
const canRun = process.platform === 'linux' && process.arch === 'x64';

describe.skipIf(!canRun)('the bulk function as Lambda runs it (needs x86_64 Linux)', () => {
  let s3: FakeS3;
  let store: ObjectStore;
  let host: LambdaHost;
  let unpacked: Awaited<ReturnType<typeof unpack>>;
  let version: string;
  let lines: readonly { name: string; score: number; decision: string }[];

  beforeAll(async () => {
    s3 = await startFakeS3();
    const { endpoint, credentials } = s3;
    store = openS3Store('s3://bucket', { endpoint, credentials });
    const demo = await calibrateDemoDetector(newFolder());
    version = await publishFolder(s3, demo.detector);
    const printed = await runQuietly(['score', '--detector', demo.detector, '--device', 'cpu', demo.test]);
    lines = printed
      .trim()
      .split('\n')
      .slice(0, 20)
      .map((line) => JSON.parse(line));
    for (const [i, { name }] of lines.entries())
      await store.put(`inbox/p/${i}.png`, readFileSync(join(demo.test, name)));
    await store.put(
      'inbox/p/broken.png',
      (await store.get('inbox/p/0.png', { maxBytes: 1e6 })).body.subarray(0, 100),
    );
    unpacked = await unpack('bulk');
    host = await startLambda({
      taskRoot: unpacked.taskRoot,
      handler: 'index.handler',
      environment: { ...environmentOf(s3), AWS_REGION: 'us-east-1', TMPDIR: newFolder() },
      timeoutMs: 60_000,
    });
  });
  afterAll(async () => {
    await host?.stop();
    unpacked?.remove();
    await s3?.close();
  });

  it('scores a listing of images as the tool does, and gives a broken one a line of its own', async () => {
    const images = lines.map((_, i) => `inbox/p/${i}.png`);
    const listing = [...images.slice(0, 5), 'inbox/p/broken.png', 'inbox/p/gone.png', ...images.slice(5)];
    await store.put('inbox/list.txt', new TextEncoder().encode(`${listing.join('\r\n')}\n`));
    const s3Part = { bucket: { name: 'bucket' }, object: { key: 'inbox/list.txt' } };
    const body = JSON.stringify({
      Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3: s3Part }],
    });
    const { payload, functionError } = await host.invoke({
      Records: [{ messageId: 'm', eventSource: 'aws:sqs', body }],
    });
    expect({ payload, functionError }).toEqual({
      payload: { batchItemFailures: [] },
      functionError: undefined,
    });
    const text = async (key: string) =>
      new TextDecoder().decode((await store.get(key, { maxBytes: 1e6 })).body);
    const scored = (await text(`scores/inbox/list.txt.${version}.jsonl`))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(scored.map(({ row, id }) => [row, id])).toEqual(listing.map((key, row) => [row, key]));
    expect(scored[5].error).toMatchObject({ code: 'bad-input' });
    expect(scored[6].error).toMatchObject({ code: 'not-found' });
    const usable = scored.filter(({ error }) => error === undefined);
    usable.forEach(({ score, decision }, i) => {
      expect(decision).toBe(lines[i]!.decision);
      expect(Math.abs(score - lines[i]!.score)).toBeLessThan(1e-5 * Math.max(1, Math.abs(score)));
    });
    const summary = JSON.parse(await text(`scores/inbox/list.txt.${version}.summary.json`));
    expect(summary).toMatchObject({ status: 'scored', rows: 20, images_refused: 2 });
  });
});
