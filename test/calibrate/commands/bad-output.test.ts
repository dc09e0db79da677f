import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { listBelow, newFolder, readError, runCommand, runWell, watchTemporaryFiles } from '../run-command.ts';
import { type SmallProblem, smallProblem } from './small-problem.ts';
import { spawnCommand } from './spawn-command.ts';

let problem: SmallProblem;
beforeAll(async () => {
  problem = await smallProblem();
});

/** Runs a command that writes `out` and expects it to leave that and the temporary folder alone. */
async function expectOccupied(argv: readonly string[], message: RegExp): Promise<void> {
  const { result, left } = await watchTemporaryFiles(() => runCommand(argv));
  expect(readError(result).message).toMatch(message);
  expect(left).toEqual([]);
}

describe('calibrate does not write over', () => {
  it('a detector', async () => {
    const folder = newFolder();
    const out = join(folder, 'detector');
    const calibrate = ['calibrate', ...problem.options, '--out', out];
    await runWell(calibrate);
    const before = listBelow(folder).map((name) => [
      name,
      name.endsWith('.json') ? readFileSync(join(folder, name), 'utf8') : '',
    ]);
    await expectOccupied([...calibrate, '--clip', '1.0'], /detector: it already holds a detector/);
    expect(
      listBelow(folder).map((name) => [
        name,
        name.endsWith('.json') ? readFileSync(join(folder, name), 'utf8') : '',
      ]),
    ).toEqual(before);
  });

  it('a folder with anything in it', async () => {
    const out = newFolder();
    writeFileSync(join(out, 'notes.md'), 'mine');
    await expectOccupied(
      ['calibrate', ...problem.options, '--out', out],
      /it is not empty \(it has notes\.md\)/,
    );
    expect(listBelow(out)).toEqual(['notes.md']);
  });

  it('a file, nor below one', async () => {
    const file = join(newFolder(), 'file');
    writeFileSync(file, 'mine');
    await expectOccupied(['calibrate', ...problem.options, '--out', file], /it is a file/);
    await expectOccupied(['calibrate', ...problem.options, '--out', join(file, 'deep')], /file/);
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  it.skipIf(process.getuid?.() === 0)(
    'a folder that is not the user’s (root may write everywhere)',
    async () => {
      const folder = newFolder();
      chmodSync(folder, 0o500);
      await expectOccupied(['calibrate', ...problem.options, '--out', join(folder, 'detector')], /EACCES/);
      chmodSync(folder, 0o700);
      expect(listBelow(folder)).toEqual([]);
    },
  );

  it('but takes an empty folder', async () => {
    const out = newFolder();
    await runWell(['calibrate', ...problem.options, '--out', out]);
    expect(listBelow(out)).toContain('manifest.json');
  });
});

describe('features and evaluate do not write', () => {
  const features = (out: string) => [
    ...['features', '--model', problem.model, problem.train, '--out', out],
    ...problem.options.slice(problem.options.indexOf('--mean')),
  ];

  it('over a file', async () => {
    const out = join(newFolder(), 'features.npy');
    writeFileSync(out, 'mine');
    await expectOccupied(features(out), /features\.npy: there is a file of that name/);
    expect(readFileSync(out, 'utf8')).toBe('mine');
  });

  it('over a file of labels', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'features.labels.npy'), 'mine');
    await expectOccupied(features(join(folder, 'features.npy')), /features\.labels\.npy: there is a file/);
    expect(listBelow(folder)).toEqual(['features.labels.npy']);
  });

  it('into a folder that is not there, and say so before the long part', async () => {
    const folder = newFolder();
    await expectOccupied(features(join(folder, 'deep/features.npy')), /there is no folder .*deep/);
    expect(listBelow(folder)).toEqual([]);
  });

  it('a format that they do not know', async () => {
    const folder = newFolder();
    await expectOccupied(
      features(join(folder, 'features.csv')),
      /expected a name that ends in \.safetensors or \.npy/,
    );
    expect(listBelow(folder)).toEqual([]);
  });
});

describe('on a full disk', () => {
  /** Files may have as many blocks of 512 bytes as `blocks`, in a process of its own. */
  async function calibrateWith(blocks: number) {
    const [folder, temporary] = [newFolder(), newFolder()];
    const argv = ['calibrate', ...problem.options, '--out', join(folder, 'deep', 'detector')];
    const { ended } = spawnCommand(argv, { env: { TMPDIR: temporary }, shell: `ulimit -f ${blocks}` });
    return { result: await ended, written: listBelow(folder), left: listBelow(temporary) };
  }

  it('calibrate leaves nothing where features did not fit', async () => {
    const { result, written, left } = await calibrateWith(1);
    const { message, hint } = readError(result);
    expect(message).toMatch(/^writing .*\.f32: EFBIG/);
    expect(hint).toMatch(/disk is full/);
    expect([written, left]).toEqual([[], []]);
  });

  it('calibrate leaves nothing where the detector did not fit', async () => {
    const { result, written, left } = await calibrateWith(2);
    const { message, hint } = readError(result);
    expect(message).toMatch(/^writing .*detector: EFBIG/);
    expect(hint).toMatch(/disk is full/);
    expect(result.stdout).toBe('');
    expect([written, left]).toEqual([[], []]);
  });

  it('calibrate writes where all fits', async () => {
    const { result, written } = await calibrateWith(1000);
    expect(result.status).toBe(0);
    expect(written).toContain('deep/detector/manifest.json');
  });
});
