import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { f32 } from '../../../shared/tensor.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { smallProblem, writeBelow } from './small-problem.ts';

async function inspectJson(...argv: readonly string[]) {
  return JSON.parse((await runWell(['inspect', '--json', ...argv])).stdout);
}

describe.skipIf(!hasRealData)(`inspect on real models (${needsData})`, () => {
  it.each([
    ['zoo/resnet_basic.onnx', 32, 10, { node: '/fc/Gemm', softmaxOutput: false }],
    ['zoo/densenet.onnx', 24, 10, { node: '/classifier/Gemm', softmaxOutput: false }],
    ['zoo/mobilenetv2.onnx', 1280, 10, { node: '/classifier/classifier.1/Gemm', softmaxOutput: false }],
    ['zoo/vit.onnx', 32, 10, { node: '/heads/head/Gemm', softmaxOutput: false }],
    ['zoo/softmax_output.onnx', 32, 10, { node: '/m/fc/Gemm', softmaxOutput: true }],
    ['cifar10/model.onnx', 342, 10, { node: '/fc/Gemm', softmaxOutput: false }],
    ['imagenet/model.onnx', 1280, 1000, { softmaxOutput: false }],
  ])('names the head of %s: %i × %i', async (file, width, classes, head) => {
    const facts = await inspectJson(realData(file));
    expect(facts).toMatchObject({ kind: 'model', head: { width, classes, ...head } });
    expect(facts.head.input).toMatch(/./);
    expect(facts.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('counts the images of an archive', async () => {
    const facts = await inspectJson(realData('cifar10/calibration.tar.gz'));
    expect(facts).toMatchObject({ kind: 'images', images: 1000, emptyClasses: [], ignored: 0 });
    expect(Object.values(facts.classes)).toEqual(new Array(10).fill(100));
  });

  it('tells the shape of features', async () => {
    expect(await inspectJson(realData('cifar10/features/test.features.npy'))).toMatchObject({
      ...{ kind: 'features', rows: 2000, width: 342, labels: false },
    });
  });
});

describe('inspect', () => {
  it('explains a model to people', async () => {
    const { model } = await smallProblem();
    const { stdout } = await runWell(['inspect', model]);
    expect(stdout).toContain(`path        ${model}\n`);
    expect(stdout).toMatch(/^input\n {2}name {9}x\n {2}elementType {2}float32\n {2}shape {8}any, 3, 8, 8$/m);
    expect(stdout).toMatch(/^ {2}width {10}6\n {2}classes {8}3$/m);
    expect(stdout).toMatch(/^operators\n {2}Conv {15}1$/m);
  });

  it('finds a head by the name of its input', async () => {
    const { model } = await smallProblem();
    expect((await inspectJson(model, '--head-input', 'flat')).head).toMatchObject({
      input: 'flat',
      width: 6,
    });
    const refused = readError(await runCommand(['inspect', model, '--head-input', 'flatt']));
    expect(refused.message).toContain('flatt');
  });

  it('explains a detector', async () => {
    const problem = await smallProblem();
    const out = join(newFolder(), 'detector');
    const options = ['--ood', `grey=${problem.ood}`, '--name', 'colours', '--method', 'himplos:clip=1.0'];
    await runWell(['calibrate', ...problem.options, ...options, '--out', out]);
    const facts = await inspectJson(out);
    expect(facts).toMatchObject({
      kind: 'detector',
      name: 'colours',
      method: 'himplos:mask=50,clip=1,smoothing=scale,score=energy',
      threshold: { tpr: 0.9, calibrationScores: 15, index: 1 },
      classNames: ['blue', 'green', 'red'],
      width: 6,
      model: { name: 'model.onnx' },
      preprocessing: { resize: null, crop: null, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
      data: { train: { count: 18, perClass: [6, 6, 6] }, calibration: { count: 15 }, evaluation: null },
      metrics: { id: { on: 'calibration', n: 15, accuracy: 1 }, ood: [{ name: 'grey', n: 4 }] },
    });
    expect(facts.version).toBe(facts.files[0].sha256);
    const { stdout } = await runWell(['inspect', out]);
    expect(stdout).toMatch(/^classNames +blue, green, red$/m);
    expect(stdout).toMatch(/^ {2}ood\n {4}grey\n {6}n +4$/m);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(100);
  });

  it('explains a folder of images', async () => {
    const { train } = await smallProblem();
    writeBelow(train, 'mauve/notes.md', '');
    expect(await inspectJson(train)).toEqual({
      ...{ kind: 'images', path: train, images: 18, emptyClasses: ['mauve'], ignored: 1 },
      classes: { blue: 6, green: 6, red: 6 },
    });
    const { stdout } = await runWell(['inspect', train]);
    expect(stdout).toMatch(/^classes\n {2}blue {3}6\n {2}green {2}6\n {2}red {4}6\nemptyClasses {2}mauve\n/m);
  });

  it('cuts long lists, for people only', async () => {
    const folder = newFolder();
    for (let i = 0; i < 30; i++) writeBelow(folder, `class${i}/0.png`, '');
    expect((await runWell(['inspect', folder])).stdout).toContain('  … 10 more\n');
    expect(Object.keys((await inspectJson(folder)).classes).length).toBe(30);
  });

  it('explains a head', async () => {
    const bytes = encodeSafetensors({ weight: f32(new Float32Array(12), 2, 6) }, {});
    const path = writeBelow(newFolder(), 'head.safetensors', bytes);
    expect(await inspectJson(path)).toEqual({ kind: 'head', path, width: 6, classes: 2 });
  });

  it.each([
    ['nothing', 'missing', /^missing: no such file/],
    ['no model', 'missing.onnx', /^missing\.onnx: no such file/],
    ['no tensors', 'missing.safetensors', /^missing\.safetensors: no such file/],
  ])('says that there is %s', async (_, path, message) => {
    expect(readError(await runCommand(['inspect', path])).message).toMatch(message);
  });

  it('says what a file is not', async () => {
    const path = writeBelow(newFolder(), 'data.csv', 'a,b');
    expect(readError(await runCommand(['inspect', path])).message).toMatch(/data\.csv: not a kind of source/);
    const other = encodeSafetensors({ a: f32(new Float32Array(2), 2) }, {});
    const tensors = writeBelow(newFolder(), 'a.safetensors', other);
    expect(readError(await runCommand(['inspect', tensors])).message).toMatch(
      /expected a tensor "features", got a/,
    );
  });
});
