import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { calibrateDemoDetector, type DemoDetector } from '../demo-detector.ts';
import { listBelow, newFolder, readError, runCommand, runWell, watchTemporaryFiles } from '../run-command.ts';
import {
  COLOURS,
  drawFolder,
  drawImage,
  PREPROCESSING,
  type SmallProblem,
  smallProblem,
  WIDTH,
} from './small-problem.ts';
import { type RunningCommand, spawnCommand } from './spawn-command.ts';

/** Many images, of which one goes through the model at a time: long enough to be stopped in the middle. */
const IMAGES = 1500;

let problem: SmallProblem;
let train: string;
beforeAll(async () => {
  problem = await smallProblem();
  train = join(newFolder(), 'train');
  cpSync(problem.train, train, { recursive: true });
  await drawFolder(join(train, 'red', 'many'), COLOURS.red, 40, 9);
  // Copies of the same images: drawing them all would take longer than the test.
  for (let i = 40; i < IMAGES; i++) {
    cpSync(
      join(train, 'red/many', `${String(i % 40).padStart(4, '0')}.png`),
      join(train, `red/many/${i}.png`),
    );
  }
});

function calibrate(...options: readonly string[]): string[] {
  const { model, calibration, options: all } = problem;
  return [
    ...['calibrate', '--model', model, '--train', train, '--calibration', calibration],
    ...[...all.slice(all.indexOf('--device')), '--batch', '1', ...options],
  ];
}

/** Resolves when some file in the folder whose name ends like that has at least so many bytes. */
async function waitForBytes(folder: string, ending: string, bytes: number): Promise<void> {
  for (;;) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    if (files.some((name) => name.endsWith(ending) && sizeOf(join(folder, name)) >= bytes)) return;
    await delay(5);
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

describe('stopped in the middle of the images', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('by %s, calibrate says so and leaves nothing', async (signal) => {
    const [folder, temporary] = [newFolder(), newFolder()];
    const out = join(folder, 'detector');
    const { child, ended } = spawnCommand([...calibrate(), '--out', out], { env: { TMPDIR: temporary } });
    await waitForBytes(temporary, '.f32', 100 * 4 * WIDTH);
    child.kill(signal);
    child.kill(signal); // npm hands on what the terminal has sent to everybody already
    const result = await ended;
    expect(readError(result).message).toBe('stopped before it was finished; nothing was left half-written');
    expect(result.stderr).not.toMatch(/train: \d+ images in/);
    expect([result.stdout, listBelow(folder), listBelow(temporary)]).toEqual(['', [], []]);
  });

  it.each(['features', 'score'] as const)('%s leaves nothing', async (command) => {
    const [folder, stop] = [newFolder(), new AbortController()];
    const detector = join(newFolder(), 'detector');
    await runWell(['calibrate', ...problem.options, '--out', detector]);
    const argv =
      command === 'score'
        ? ['score', '--detector', detector, train]
        : [
            ...['features', '--model', problem.model, train, '--out', join(folder, 'features.npy')],
            ...problem.options.slice(problem.options.indexOf('--mean')),
          ];
    const abort = () => stop.abort(new Error('stop'));
    const { result, left } = await watchTemporaryFiles(async (temporary) => {
      if (command === 'features') void waitForBytes(temporary, '.f32', 100 * 4 * WIDTH).then(abort);
      return runCommand([...argv, '--batch', '1', '--threads', '1'], { stop, onStdout: abort });
    });
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/^error: stopped before/m);
    expect([listBelow(folder), left]).toEqual([[], []]);
  });
});

describe('with threads that run a model', () => {
  let demo: DemoDetector;
  let score: (...options: string[]) => RunningCommand;
  beforeAll(async () => {
    demo = await calibrateDemoDetector(newFolder());
    const sources = Array.from({ length: 40 }, () => demo.test);
    score = (...options) => spawnCommand(['score', '--detector', demo.detector, ...options, ...sources]);
  });

  it('a reader that has seen enough ends score, and that counts as done', async () => {
    for (let i = 0; i < 5; i++) {
      const { child, ended } = score('--batch', '16');
      child.stdout!.once('data', () => child.stdout!.destroy());
      const { status, stderr } = await ended;
      expect([status, stderr]).toEqual([0, expect.stringMatching(/^.*detector\.onnx runs on \w+\n$/)]);
    }
  });

  it('a second Ctrl-C ends it at once and leaves nothing', async () => {
    const temporary = newFolder();
    const argv = ['score', '--detector', demo.detector, '--batch', '2000'];
    const sources = Array.from({ length: 200 }, () => demo.test);
    const { child, said, ended } = spawnCommand([...argv, ...sources], { env: { TMPDIR: temporary } });
    await said(/runs on cpu/);
    // By now the images of a batch are decoded, and the model has seconds to go, which the first Ctrl-C waits for.
    await delay(3000);
    child.kill('SIGINT');
    await delay(1200);
    child.kill('SIGINT');
    const { status, stdout } = await ended;
    // A machine that is faster has done what the first one asked for.
    expect(status === 2 || child.signalCode === 'SIGKILL').toBe(true);
    expect([stdout, listBelow(temporary)]).toEqual(['', []]);
  });

  it('images that cannot be used end it while the model still loads', async () => {
    const bad = newFolder();
    for (let i = 0; i < 8; i++) writeFileSync(join(bad, `${i}.png`), 'no image');
    for (let i = 0; i < 6; i++) {
      const { status, stderr } = await spawnCommand(['score', '--detector', demo.detector, bad]).ended;
      expect([status, stderr]).toEqual([2, expect.stringMatching(/^error: .*0\.png: not an image/m)]);
    }
  });
});

describe('killed in the middle of the images, with --cache', () => {
  it('a second run takes what is there and ends with the same detector', async () => {
    const [folder, cache] = [newFolder(), newFolder()];
    const out = (name: string) => join(folder, name);
    const { child, ended } = spawnCommand([...calibrate('--cache', cache), '--out', out('killed')]);
    await waitForBytes(cache, '.sha256', 100 * 32);
    child.kill('SIGKILL');
    expect((await ended).status).not.toBe(0);
    expect(listBelow(folder)).toEqual([]);
    const [spool] = readdirSync(cache).filter((name) => name.endsWith('.f32'));
    const kept = readFileSync(join(cache, spool!));
    expect(kept.length).toBeGreaterThanOrEqual(100 * 4 * WIDTH);
    expect(kept.length).toBeLessThan(IMAGES * 4 * WIDTH);

    await runWell([...calibrate(), '--out', out('without')]);
    await runWell([...calibrate('--cache', cache), '--out', out('resumed')]);
    const bytes = (name: string) => readFileSync(join(out(name), 'detector.safetensors'));
    expect(bytes('resumed').equals(bytes('without'))).toBe(true);
    const resumed = readFileSync(join(cache, spool!));
    expect(resumed.subarray(0, kept.length).equals(kept)).toBe(true);

    // A run that computed the features anew would not notice that somebody has changed one of those kept.
    resumed.writeFloatLE(100, 4 * WIDTH * 7);
    writeFileSync(join(cache, spool!), resumed);
    await runWell([...calibrate('--cache', cache), '--out', out('changed')]);
    expect(bytes('changed').equals(bytes('without'))).toBe(false);
  });

  it('compare goes on from what is there, and computes anew what has become another image', async () => {
    const cache = newFolder();
    const argv = [
      ...['compare', '--model', problem.model, '--train', train, '--calibration', problem.calibration],
      ...['--ood', `grey=${problem.ood}`, '--device', 'cpu', '--batch', '1', ...PREPROCESSING],
      ...['--methods', 'himplos,knn:k=5,mahalanobis', '--format', 'json'],
    ];
    const compare = async (...options: string[]) => (await runWell([...argv, ...options])).stdout;
    const { child, ended } = spawnCommand([...argv, '--cache', cache]);
    await waitForBytes(cache, '.sha256', 100 * 32);
    child.kill('SIGKILL');
    const killed = await ended;
    expect([killed.status === 0, killed.stdout]).toEqual([false, '']);
    const [spool] = readdirSync(cache).filter((name) => name.endsWith('.f32'));
    const read = () => readFileSync(join(cache, spool!));
    const kept = read();
    expect(kept.length).toBeLessThan(IMAGES * 4 * WIDTH);

    const whole = await compare();
    expect(await compare('--cache', cache)).toBe(whole);
    const resumed = read();
    expect(resumed.subarray(0, kept.length).equals(kept)).toBe(true);

    const [replaced] = readdirSync(join(train, 'red', 'many')).sort();
    writeFileSync(join(train, 'red/many', replaced!), await drawImage(COLOURS.green, 5));
    const changed = await compare('--cache', cache);
    expect(changed).toBe(await compare());
    expect(read().equals(resumed)).toBe(false);
  });
});
