import { beforeAll, describe, expect, it } from 'vitest';
import { makeNode as node } from '../../../calibrate/onnx/proto-parts.ts';
import { encodeModel, floats, smallModel } from '../onnx/build-model.ts';
import { newFolder, readError, runCommand } from '../run-command.ts';
import { expectRefusal } from './expect-refusal.ts';
import { drawImage, type SmallProblem, smallClassifier, smallProblem, writeBelow } from './small-problem.ts';

let problem: SmallProblem;
beforeAll(async () => {
  problem = await smallProblem();
});

/** `calibrate` with the file at hand as its model. */
function calibrateWith(model: string): string[] {
  return ['calibrate', ...problem.options, '--model', model];
}

function modelFile(content: Uint8Array | string): string {
  return writeBelow(newFolder(), 'model.onnx', content);
}

describe('calibrate refuses, writing nothing,', () => {
  it('a model that is not there', async () => {
    await expectRefusal(calibrateWith('missing.onnx'), /^missing\.onnx: no such file/);
  });

  it('a folder as a model', async () => {
    await expectRefusal(calibrateWith(problem.train), /train: .*folder/);
  });

  it.each([
    ['text', 'weights, honestly'],
    ['nothing', ''],
    ['zeros', new Uint8Array(1000)],
  ])('%s named .onnx', async (_, content) => {
    await expectRefusal(calibrateWith(modelFile(content)), /model\.onnx: .*ONNX/);
  });

  it('an image named .onnx', async () => {
    await expectRefusal(calibrateWith(modelFile(await drawImage([1, 2, 3], 1))), /model\.onnx: .*ONNX/);
  });

  it('a truncated model', async () => {
    const whole = smallClassifier();
    for (const share of [0.2, 0.5, 0.9, 0.999]) {
      const cut = modelFile(whole.subarray(0, Math.floor(share * whole.length)));
      await expectRefusal(calibrateWith(cut), /model\.onnx/);
    }
  });

  it('a model without a linear head', async () => {
    const model = smallModel({
      input: ['N', 3, 8, 8],
      outputs: ['y'],
      nodes: [node('Relu', ['x'], ['r']), node('GlobalAveragePool', ['r'], ['y'])],
      initializers: [],
    });
    await expectRefusal(calibrateWith(modelFile(encodeModel(model))), /head|linear/);
  });

  it('a model whose input is no image', async () => {
    const model = smallModel({
      input: ['N', 6],
      outputs: ['y'],
      nodes: [node('Gemm', ['x', 'w'], ['y'], { transB: 1 })],
      initializers: [floats('w', [3, 6], new Array(18).fill(0.5))],
    });
    await expectRefusal(calibrateWith(modelFile(encodeModel(model))), /expected an image input/);
  });

  it('a model that onnxruntime cannot load', async () => {
    const model = smallModel({
      input: ['N', 3, 8, 8],
      outputs: ['y'],
      nodes: [
        node('FourierTransmogrify', ['x'], ['t']),
        node('GlobalAveragePool', ['t'], ['p']),
        node('Flatten', ['p'], ['h']),
        node('Gemm', ['h', 'w'], ['y'], { transB: 1 }),
      ],
      initializers: [floats('w', [3, 3], new Array(9).fill(0.5))],
    });
    await expectRefusal(calibrateWith(modelFile(encodeModel(model))), /onnxruntime cannot load it/);
  });

  it('a model that gives numbers that are not finite, naming the image', async () => {
    const model = smallModel({
      input: ['N', 3, 8, 8],
      outputs: ['y'],
      nodes: [
        node('Sqrt', ['x'], ['s']),
        node('GlobalAveragePool', ['s'], ['p']),
        node('Flatten', ['p'], ['h']),
        node('Gemm', ['h', 'w'], ['y'], { transB: 1 }),
      ],
      initializers: [floats('w', [3, 3], new Array(9).fill(0.5))],
    });
    await expectRefusal(calibrateWith(modelFile(encodeModel(model))), /NaN .*blue\/0000\.png/);
  });

  it('a model that gives several rows of features an image', async () => {
    const model = smallModel({
      input: ['N', 3, 8, 8],
      outputs: ['y'],
      nodes: [node('Flatten', ['x'], ['h'], { axis: 2 }), node('Gemm', ['h', 'w'], ['y'], { transB: 1 })],
      initializers: [floats('w', [3, 64], new Array(192).fill(0.5))],
    });
    await expectRefusal(
      calibrateWith(modelFile(encodeModel(model))),
      /expected 64 features an image, got \d+ numbers for \d+ images/,
    );
  });

  it('a head input that the model does not have', async () => {
    await expectRefusal(['calibrate', ...problem.options, '--head-input', 'nowhere'], /nowhere/);
  });
});

describe('calibrate refuses as usage', () => {
  it.each([
    ['an unknown method', ['--method', 'himplosion'], /method himplosion: expected one of himplos/],
    ['an unknown key', ['--method', 'himplos:masking=50'], /masking/],
    ['a value out of range', ['--method', 'himplos:mask=150'], /mask.*150/],
    ['a part that is no value', ['--mask-percentile', 'half'], /mask.*half/],
    [
      'a method beside its parts',
      ['--method', 'energy', '--clip', '1.0'],
      /--method energy stands beside clip=1\.0/,
    ],
    ['an unknown preset', ['--preprocess', 'imagnet'], /--preprocess: expected imagenet, cifar10/],
    ['a preset file that is not there', ['--preprocess', 'x.json'], /x\.json: no such file/],
    ['an unknown device', ['--device', 'tpu'], /--device: expected auto/],
    ['a batch of none', ['--batch', '0'], /--batch: expected a whole number/],
    ['a share above 1', ['--tpr', '95'], /--tpr: expected a number between 0 and 1/],
    ['an OOD set without a name', ['--ood', 'textures.tar'], /--ood: expected NAME=SOURCE/],
    ['an OOD set named like a result', ['--ood', 'average=x'], /"average" cannot be the name/],
    ['a model and a head', ['--head', 'head.safetensors'], /expected one of --model and --head, got both/],
    ['a size that is none', ['--resize', 'large'], /--resize: expected/],
    ['an unknown option', ['--masks', '3'], /unknown option '--masks'/],
  ])('%s', async (_, options, message) => {
    await expectRefusal(['calibrate', ...problem.options, ...options], message);
  });

  it('neither a model nor a head', async () => {
    const [, , ...options] = problem.options;
    await expectRefusal(['calibrate', ...options], /expected one of --model and --head, got neither/);
  });

  it('images whose preprocessing nobody said', async () => {
    const options = problem.options.slice(0, problem.options.indexOf('--mean'));
    await expectRefusal(['calibrate', ...options], /how images become the classifier’s input is not known/);
  });
});

describe('a command line that is not understood ends with exit status 2 and a hint:', () => {
  it.each([
    ['an unknown command', ['calibrat'], /unknown command 'calibrat'/],
    ['a missing argument', ['inspect'], /missing required argument 'path'/],
    ['a missing option', ['evaluate', '--detector', 'd'], /required option '--id/],
    ['an excess argument', ['inspect', 'a', 'b'], /too many arguments/],
    [
      'an unknown format',
      ['score', 'x', '--detector', 'd', '--format', 'xml'],
      /--format: expected jsonl, csv/,
    ],
  ])('%s', async (_, argv, message) => {
    expect(readError(await runCommand(argv)).message).toMatch(message);
  });

  it('no command at all, with the help', async () => {
    const { status, stderr } = await runCommand([]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^Usage: himplos/);
  });
});
