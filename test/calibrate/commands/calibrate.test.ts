import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Results } from '../../../calibrate/results/results.ts';
import { loadDetector } from '../../../shared/artifact/load-detector.ts';
import { openArtifactFolder } from '../../../shared/store/artifact-folder.ts';
import { listBelow, newFolder, runWell } from '../run-command.ts';
import { makeTar } from '../sources/make-tar.ts';
import { COLOURS, drawImage, type SmallProblem, smallProblem, writeBelow } from './small-problem.ts';

let problem: SmallProblem;
beforeAll(async () => {
  problem = await smallProblem();
});

/** Calibrates into a new folder, the last of equal options counting, and gives it back with what was said. */
async function calibrate(...options: readonly string[]) {
  const out = join(newFolder(), 'detector');
  const result = await runWell(['calibrate', ...problem.options, ...options, '--out', out]);
  return { ...result, out, bytes: readFileSync(join(out, 'detector.safetensors')) };
}

/** The options of the small problem with another source of training images. */
async function calibrateOn(train: readonly string[], ...options: readonly string[]) {
  const { model, calibration, options: all } = problem;
  const out = join(newFolder(), 'detector');
  const rest = [...all.slice(all.indexOf('--device')), ...options, '--out', out];
  const sources = [...train.flatMap((source) => ['--train', source]), '--calibration', calibration];
  const result = await runWell(['calibrate', '--model', model, ...sources, ...rest]);
  return { ...result, out, bytes: readFileSync(join(out, 'detector.safetensors')) };
}

/** The training images as an archive, their classes where `path` puts them. */
async function archiveOfTrain(name: string, pack = (tar: Buffer): Uint8Array => tar): Promise<string> {
  const images = listBelow(problem.train).filter((path) => path.endsWith('.png'));
  const tar = await makeTar(images.map((path) => [path, readFileSync(join(problem.train, path))]));
  return writeBelow(newFolder(), name, pack(tar));
}

describe('calibrate on images', () => {
  it('writes a whole detector and says what it is worth', async () => {
    const { out, stdout, stderr } = await calibrate('--ood', `grey=${problem.ood}`);
    expect(listBelow(out)).toEqual([
      ...[
        'detector.onnx',
        'detector.safetensors',
        'evaluation.safetensors',
        'manifest.json',
        'report.html',
        'report.json',
      ],
    ]);
    const { version, document } = await loadDetector(openArtifactFolder(out));
    expect(stdout).toContain(`version    ${version}\n`);
    expect(stdout).toContain('method     himplos:mask=50,clip=p95,smoothing=scale,score=energy\n');
    expect(stdout).toContain(`threshold  γ = ${document.threshold.gamma.toPrecision(6)}`);
    expect(stdout).toMatch(/^15 in-distribution samples, accuracy 100\.00 %, γ accepts 100\.00 %$/m);
    expect(stderr).toMatch(
      /model\.onnx runs on cpu\ntrain: 18 images in .*\ncalibration: 15 .*\nood grey: 4 /,
    );
  });

  it('prints results as JSON, and nothing else, when asked to', async () => {
    const { stdout } = await calibrate(
      '--ood',
      `grey=${problem.ood}`,
      '--ood',
      `other=${problem.ood}`,
      '--json',
      '--allow-overlap',
    );
    const { rows, id, warnings }: Results = JSON.parse(stdout);
    expect(rows.map(({ ood }) => ood)).toEqual(['grey', 'other', 'average']);
    expect(rows[0]).toMatchObject({ method: 'himplos', fpr95: 0, auroc: 1, n_id: 15, n_ood: 4 });
    expect(id).toEqual({ accuracy: 1, n: 15, coverage: 1 });
    expect(warnings).toEqual([expect.stringMatching(/^ood grey and ood other share 4 contents/)]);
  });

  it('measures on the evaluation set where there is one', async () => {
    const folder = newFolder();
    for (const name of ['red', 'green'])
      writeBelow(folder, `${name}/0.png`, await drawImage(COLOURS.red, name.length));
    const { stdout } = await calibrate('--evaluation', folder, '--json');
    const { id }: Results = JSON.parse(stdout);
    expect(id).toMatchObject({ accuracy: 0.5, n: 2 });
  });

  it('joins the sources of an OOD set given several times', async () => {
    const one = writeBelow(newFolder(), 'one.png', await drawImage([0, 0, 0], 5));
    const { stdout } = await calibrate('--ood', `far=${problem.ood}`, '--ood', `far=${one}`, '--json');
    const { rows }: Results = JSON.parse(stdout);
    expect(rows.map(({ ood, n_ood }) => [ood, n_ood])).toEqual([
      ['far', 5],
      ['average', 5],
    ]);
  });
});

describe('the detector is the same, bit for bit,', () => {
  it('whatever the batches, the threads and the measurements', async () => {
    const { bytes } = await calibrate();
    expect((await calibrate('--batch', '64', '--threads', '2')).bytes.equals(bytes)).toBe(true);
    expect((await calibrate('--cache', newFolder())).bytes.equals(bytes)).toBe(true);
  });

  it('from folders, an archive and a packed one', async () => {
    const { bytes } = await calibrate();
    const archive = await archiveOfTrain('train.tar');
    const packed = await archiveOfTrain('train.tgz', (tar) => gzipSync(tar));
    expect((await calibrateOn([archive])).bytes.equals(bytes)).toBe(true);
    expect((await calibrateOn([packed])).bytes.equals(bytes)).toBe(true);
  });

  it('from one folder and from several', async () => {
    const { bytes } = await calibrate();
    const parts = ['blue', 'green', 'red'].map((name) => {
      const folder = newFolder();
      cpSync(join(problem.train, name), join(folder, name), { recursive: true });
      return folder;
    });
    expect((await calibrateOn(parts)).bytes.equals(bytes)).toBe(true);
  });

  it('however its method is written', async () => {
    const { bytes } = await calibrate('--method', 'himplos:mask=40,clip=1,score=msp');
    const parts = ['--mask-percentile', '40.0', '--clip', '1.0', '--score', 'msp'];
    expect((await calibrate(...parts)).bytes.equals(bytes)).toBe(true);
  });
});

describe('calibrate', () => {
  it('takes the order of classes from a list', async () => {
    const folder = newFolder();
    // The first logit speaks for blue: with the folders named otherwise only the list can say so.
    for (const [from, to] of [
      ['blue', 'z'],
      ['green', 'y'],
      ['red', 'x'],
    ]) {
      cpSync(join(problem.train, from!), join(folder, 'train', to!), { recursive: true });
      cpSync(join(problem.calibration, from!), join(folder, 'calibration', to!), { recursive: true });
    }
    const classes = writeBelow(folder, 'classes.txt', 'z\ny\nx\n');
    const sources = ['--train', join(folder, 'train'), '--calibration', join(folder, 'calibration')];
    const options = problem.options.slice(problem.options.indexOf('--device'));
    const run = async (...more: readonly string[]): Promise<Results> => {
      const out = join(newFolder(), 'detector');
      const argv = ['calibrate', '--model', problem.model, ...sources, ...options, ...more, '--out', out];
      return JSON.parse((await runWell([...argv, '--json'])).stdout);
    };
    expect((await run('--classes', classes)).id.accuracy).toBe(1);
    expect((await run()).id.accuracy).toBe(1 / 3);
  });

  it('takes labels from a list of images', async () => {
    const lines = Object.keys(COLOURS).flatMap((name, index) =>
      Array.from({ length: 6 }, (_, i) => `${name}/000${i}.png ${index}`),
    );
    const folder = newFolder();
    cpSync(problem.train, folder, { recursive: true });
    const list = writeBelow(folder, 'train.txt', `${lines.join('\n')}\n`);
    const options = problem.options.slice(problem.options.indexOf('--device'));
    const out = join(newFolder(), 'detector');
    const images = ['--train', list, '--calibration', problem.ood, '--tpr', '0.5'];
    await runWell(['calibrate', '--model', problem.model, ...options, ...images, '--out', out]);
    const { document } = await loadDetector(openArtifactFolder(out));
    expect(document.classNames).toEqual(['0', '1', '2']);
    expect(document.data.train.perClass).toEqual([6, 6, 6]);
    // Beside class folders, its numbers stand for them in the order of the logits.
    const { stdout } = await calibrate('--evaluation', list, '--allow-overlap', '--json');
    expect(JSON.parse(stdout).id).toMatchObject({ accuracy: 1, n: 18 });
  });

  it('does without a class when it may, and always refuses it', async () => {
    const train = join(newFolder(), 'train');
    for (const name of ['blue', 'red'])
      cpSync(join(problem.train, name), join(train, name), { recursive: true });
    const classes = writeBelow(newFolder(), 'classes.txt', 'blue\ngreen\nred\n');
    const { out, stdout } = await calibrateOn(
      [train],
      '--classes',
      classes,
      '--allow-missing-classes',
      '--tpr',
      '0.5',
    );
    expect(stdout).toMatch(/^warning: 1 classes have no training samples/m);
    const green = join(problem.calibration, 'green');
    const { stdout: lines } = await runWell(['score', '--detector', out, green, '--threads', '1']);
    for (const line of lines.trimEnd().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({ decision: 'ood', class: 'green', cosine: 0 });
    }
  });

  it('reports an image in two roles, and goes on when it may', async () => {
    const many = newFolder();
    for (let i = 0; i < 150; i++) writeBelow(many, `${i}.png`, await drawImage([i, 100, 50], 7000 + i));
    cpSync(join(problem.calibration, 'red/0000.png'), join(many, 'twin.png'));
    const { stdout } = await calibrate('--ood', `many=${many}`, '--allow-overlap');
    expect(stdout).toMatch(
      /^warning: calibration and ood many share 1 contents \(6\.67 %\), for example twin\.png$/m,
    );
  });
});
