import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../../calibrate/api.ts';
import { decodeNpy, encodeNpy } from '../../../shared/formats/npy.ts';
import { smallSets } from '../results/small-sets.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { COLOURS, drawImage, GREY, type SmallProblem, smallProblem, writeBelow } from './small-problem.ts';

let problem: SmallProblem;
let detector: string;
beforeAll(async () => {
  problem = await smallProblem();
  detector = join(newFolder(), 'detector');
  await runWell(['calibrate', ...problem.options, '--out', detector]);
});

async function score(...argv: readonly string[]): Promise<Answer[]> {
  const { stdout } = await runWell(['score', '--detector', detector, '--threads', '1', ...argv]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('score on images', () => {
  it('gives one answer an image, in the order of the source', async () => {
    const answers = await score(problem.train, '--batch', '4');
    expect(answers.map(({ name }) => name)).toEqual(
      Object.keys(COLOURS).flatMap((name) => Array.from({ length: 6 }, (_, i) => `${name}/000${i}.png`)),
    );
    for (const { name, class: label, cosine, p } of answers) {
      expect(name.startsWith(`${label}/`)).toBe(true);
      expect(cosine).toBeGreaterThan(0.99);
      expect(p).toBeGreaterThanOrEqual(1 / 16);
    }
  });

  it('does not know what it was not trained on', async () => {
    const answers = await score(problem.ood);
    expect(answers.map(({ decision, p }) => [decision, p])).toEqual(new Array(4).fill(['ood', 1 / 16]));
  });

  it('takes several sources and single images, and says which an image came from', async () => {
    const image = writeBelow(newFolder(), 'one.png', await drawImage(COLOURS.red, 31));
    const answers = await score(problem.ood, image);
    expect(answers.map(({ name }) => name)).toEqual([
      ...[0, 1, 2, 3].map((i) => `${problem.ood}:000${i}.png`),
      image,
    ]);
    expect(answers.at(-1)).toMatchObject({ decision: 'id', class: 'red' });
  });

  it('says how many it took for what', async () => {
    const { stderr } = await runWell(['score', '--detector', detector, problem.ood]);
    expect(stderr).toMatch(/^4 samples: 0 in-distribution, 4 out-of-distribution$/m);
  });

  it('gives the same answers whatever the batch', async () => {
    expect(await score(problem.train, '--batch', '1')).toEqual(await score(problem.train, '--batch', '5'));
  });

  it('keeps hostile names in their cells', async () => {
    const folder = newFolder();
    for (const name of ['=cmd|x!A1.png', 'a,"b".png', 'two\nlines.png']) {
      writeBelow(folder, name, await drawImage(GREY, name.length));
    }
    const argv = ['score', '--detector', detector, folder, '--format', 'csv'];
    const { stdout } = await runWell(argv);
    expect(stdout).toContain("\n'=cmd|x!A1.png,ood,");
    expect(stdout).toContain('\n"a,""b"".png",ood,');
    expect(stdout).toContain('\n"two\nlines.png",ood,');
  });

  it('refuses a damaged image by name, after the answers before it; --skip-bad goes on', async () => {
    const folder = newFolder();
    cpSync(problem.ood, folder, { recursive: true });
    writeBelow(folder, '0002.png', 'no image');
    const argv = ['score', '--detector', detector, folder, '--batch', '1', '--threads', '1'];
    expect(readError(await runCommand(argv)).message).toMatch(/0002\.png: not an image/);
    const { stdout, stderr } = await runWell([...argv, '--skip-bad']);
    expect(stdout.trimEnd().split('\n').length).toBe(3);
    expect(stderr).toMatch(/^skipped: .*0002\.png: not an image/m);
    expect(stderr).toMatch(/^3 samples: .*, 1 skipped$/m);
  });

  it('refuses what is no detector', async () => {
    const refused = readError(await runCommand(['score', '--detector', problem.train, problem.ood]));
    expect(refused.message).toMatch(/train: expected a detector, found no manifest\.json/);
  });

  it('refuses a detector that somebody has changed', async () => {
    const copy = join(newFolder(), 'copy');
    cpSync(detector, copy, { recursive: true });
    writeBelow(copy, 'detector.onnx', await drawImage(GREY, 1));
    const refused = readError(await runCommand(['score', '--detector', copy, problem.ood]));
    expect(refused.message).toMatch(/detector\.onnx: expected \d+ bytes, got/);
  });
});

it('score refuses a class that SHE has no pattern of, as the calibration did, even where γ is 0', async () => {
  const folder = newFolder();
  const { withoutOod } = smallSets(folder);
  const labels = decodeNpy(readFileSync(join(folder, 'train.labels.npy'))) as { data: BigInt64Array };
  const known = labels.data.map((label) => (label === 2n ? 1n : label));
  writeFileSync(
    join(folder, 'train.labels.npy'),
    encodeNpy({ dtype: 'I64', data: known, shape: [known.length] }),
  );
  const out = join(folder, 'detector');
  const options = ['--method', 'she', '--allow-missing-classes', '--out', out, '--json'];
  const calibrated = JSON.parse((await runWell(['calibrate', ...withoutOod, ...options])).stdout);
  expect(calibrated.threshold.gamma).toBe(0);
  const { stdout } = await runWell(['score', '--detector', out, join(folder, 'evaluation.npy')]);
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const { predicted, decision, warnings } of answers) {
    expect([decision, warnings.length]).toEqual(predicted === 2 ? ['ood', 1] : ['id', 0]);
  }
  const accepted = answers.filter(({ decision }) => decision === 'id').length;
  expect(accepted / answers.length).toBe(calibrated.id.coverage);
});
