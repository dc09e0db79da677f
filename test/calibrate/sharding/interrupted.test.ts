import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../../shared/store/open-store.ts';
import { type FakeS3, startFakeS3 } from '../../servers/fake-s3.ts';
import {
  COLOURS,
  drawClassFolders,
  drawFolder,
  PREPROCESSING,
  smallClassifier,
  WIDTH,
} from '../commands/small-problem.ts';
import { spawnCommand } from '../commands/spawn-command.ts';
import { listBelow, newFolder, readError, runCommand, runWell } from '../run-command.ts';
import {
  calibrateAtOnce,
  type DetectorFiles,
  featureProblem,
  mergeShards,
  readDetector,
  runShard,
  type ShardedProblem,
  withOptions,
} from './shard-runs.ts';

/** Many images, of which 3 go through the model at a time: long enough to be stopped in the middle. */
const IMAGES = 1500;

describe('killed in the middle of the images', () => {
  let problem: ShardedProblem;
  let once: DetectorFiles;
  beforeAll(async () => {
    const folder = newFolder();
    const at = (name: string) => join(folder, name);
    writeFileSync(at('model.onnx'), smallClassifier());
    await drawClassFolders(at('calibration'), 10, 2);
    await drawClassFolders(at('train'), 10, 1);
    await drawFolder(at('train/red/many'), COLOURS.red, 40, 9);
    // Copies of the same images: drawing them all would take longer than the test.
    for (let i = 40; i < IMAGES; i++) {
      const copied = `${String(i % 40).padStart(4, '0')}.png`;
      cpSync(at(`train/red/many/${copied}`), at(`train/red/many/${i}.png`));
    }
    problem = {
      head: ['--model', at('model.onnx')],
      options: [
        ...['--model', at('model.onnx'), '--train', at('train'), '--calibration', at('calibration')],
        ...['--device', 'cpu', '--threads', '1', '--batch', '3', ...PREPROCESSING],
      ],
    };
    once = await calibrateAtOnce(problem);
  });

  /** Starts a command with its features in `cache` and kills it when some rows are there. */
  async function killInTheMiddle(argv: readonly string[], cache: string): Promise<void> {
    const { child, ended } = spawnCommand(argv);
    while (
      !readdirSync(cache).some((name) => name.endsWith('.f32') && sizeOf(join(cache, name)) > 400 * WIDTH)
    ) {
      await delay(5);
    }
    child.kill('SIGKILL');
    expect((await ended).status).not.toBe(0);
  }

  it('a shard leaves no partial, and the second time goes on where it was', async () => {
    const [partials, cache] = [join(newFolder(), 'partials'), newFolder()];
    const own = withOptions(problem, '--cache', cache);
    const shard = ['--shard', '1/2', '--partials', partials];
    await killInTheMiddle(['calibrate', ...own.options, ...shard], cache);
    expect(listBelow(partials).filter((name) => name.endsWith('.safetensors'))).toEqual([]);
    await runShard(own, partials, '1/2');
    await runShard(problem, partials, '0/2');
    expect(await mergeShards(problem, partials)).toEqual(once);
  });

  it('a single process goes on after its last whole batch, whatever else was written', async () => {
    const cache = newFolder();
    const own = withOptions(problem, '--cache', cache);
    await killInTheMiddle(['calibrate', ...own.options, '--out', join(newFolder(), 'detector')], cache);
    // A kill may leave part of a batch: here one row of three.
    const [digests] = readdirSync(cache).filter((name) => name.endsWith('.sha256'));
    const rows = Math.floor(sizeOf(join(cache, digests!)) / 32 / 3) * 3 - 2;
    writeFileSync(join(cache, digests!), readFileSync(join(cache, digests!)).subarray(0, 32 * rows));
    const kept = join(cache, digests!.replace('.sha256', '.f32'));
    const before = readFileSync(kept).subarray(0, (rows - 1) * 4 * WIDTH);
    expect(await calibrateAtOnce(own)).toEqual(once);
    expect(readFileSync(kept).subarray(0, before.length)).toEqual(before);
  });
});

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

it('a merge that was stopped can be run again', async () => {
  const problem = withOptions(featureProblem(600), '--method', 'vim');
  const partials = join(newFolder(), 'partials');
  for (const shard of ['0/2', '1/2']) await runShard(problem, partials, shard);
  await runWell(['merge', partials, ...problem.head]);
  const merged = join(partials, 'pass-1/merged.safetensors');
  const before = readFileSync(merged);
  rmSync(merged);
  await runWell(['merge', partials, ...problem.head]);
  expect(readFileSync(merged)).toEqual(before);
});

describe('partials in S3', () => {
  let server: FakeS3;
  beforeEach(async () => {
    server = await startFakeS3();
    process.env.AWS_ACCESS_KEY_ID = server.credentials.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = server.credentials.secretAccessKey;
  });
  afterEach(async () => {
    delete process.env.AWS_ACCESS_KEY_ID;
    delete process.env.AWS_SECRET_ACCESS_KEY;
    await server.close();
  });

  it('make the same detector, with lost answers and faults on the way', async () => {
    const problem = featureProblem(1000);
    const env = { HIMPLOS_S3_ENDPOINT: server.endpoint };
    server.faults.push(
      { effect: { kind: 'lost-answer' }, on: ({ method }) => method === 'PUT', times: 2 },
      { effect: { kind: 'status', status: 503, code: 'SlowDown' }, times: 2 },
    );
    for (let index = 0; index < 4; index++) {
      await runShard(problem, 's3://bucket/run', 'auto/4', {
        env: { ...env, AWS_BATCH_JOB_ARRAY_INDEX: String(index) },
      });
    }
    const out = join(newFolder(), 'detector');
    await runWell(['merge', 's3://bucket/run', ...problem.head, '--out', out], { env });
    expect(readDetector(out)).toEqual(await calibrateAtOnce(problem));
  });

  it('are written once, and named when one is missing or truncated', async () => {
    const problem = featureProblem(300);
    const env = { HIMPLOS_S3_ENDPOINT: server.endpoint };
    const merge = ['merge', 's3://bucket/run', ...problem.head, '--out', join(newFolder(), 'detector')];
    await runShard(problem, 's3://bucket/run', '0/2', { env });
    const message = async () => readError(await runCommand(merge, { env })).message;
    expect(await message()).toContain('1 of 2 shards have not delivered the rows: 1');
    await runShard(problem, 's3://bucket/run', '1/2', { env });
    expect(await runShard(problem, 's3://bucket/run', '1/2', { env })).toContain('nothing left to do');
    const store = await openStore('s3://bucket/run', { endpoint: server.endpoint });
    const key = 'pass-1/shard-00001-of-00002.safetensors';
    const { body } = await store.get(key, { maxBytes: 2 ** 20 });
    await store.put(key, body.subarray(0, body.length - 1));
    expect(await message()).toContain(key);
  });
});
