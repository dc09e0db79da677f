import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import {
  COLOURS,
  drawClassFolders,
  drawFolder,
  GREY,
  PREPROCESSING,
  smallClassifier,
} from '../commands/small-problem.ts';
import { newFolder, runWell } from '../run-command.ts';
import {
  calibrateAtOnce,
  calibrateInShards,
  runShard,
  type ShardedProblem,
  withOptions,
} from './shard-runs.ts';

describe('from images, shards and a merge make the very files that one process makes', () => {
  let problem: ShardedProblem;
  let train: string;
  beforeAll(async () => {
    const folder = newFolder();
    const at = (name: string) => join(folder, name);
    writeFileSync(at('model.onnx'), smallClassifier());
    train = at('train');
    await drawClassFolders(train, 110, 1);
    // Of 330 images two cannot be decoded: one in the first block, one that begins the second.
    for (const name of ['blue/0003x.png', 'green/0017x.png']) writeFileSync(join(train, name), 'no image');
    await drawClassFolders(at('calibration'), 60, 2);
    await drawClassFolders(at('evaluation'), 5, 4);
    await drawFolder(at('grey'), GREY, 20, 3);
    problem = {
      head: ['--model', at('model.onnx')],
      options: [
        ...['--model', at('model.onnx'), '--train', train, '--calibration', at('calibration')],
        ...['--evaluation', at('evaluation'), '--ood', `grey=${at('grey')}`, '--skip-bad'],
        ...['--device', 'cpu', '--threads', '1', ...PREPROCESSING],
      ],
    };
  }, 60_000);

  it.each([1, 3, 4, 16])('in %i shards, with images that cannot be decoded', async (count) => {
    expect(await calibrateInShards(problem, count)).toEqual(await calibrateAtOnce(problem));
  });

  it('with batches that do not fit into blocks, and a method of two passes', async () => {
    const own = withOptions(problem, '--batch', '48', '--method', 'vim');
    expect(await calibrateInShards(own, 3)).toEqual(await calibrateAtOnce(own));
  });

  it('with so many classes that statistics have larger blocks than batches', async () => {
    const folder = newFolder();
    const at = (name: string) => join(folder, name);
    writeFileSync(at('model.onnx'), smallClassifier(40));
    const names = Array.from({ length: 40 }, (_, index) => Object.keys(COLOURS)[index] ?? `none ${index}`);
    writeFileSync(at('classes.txt'), names.join('\n'));
    const swap = (option: string) => (option === problem.head[1] ? at('model.onnx') : option);
    const own = withOptions(
      { head: problem.head.map(swap), options: problem.options.map(swap) },
      ...['--batch', '48', '--classes', at('classes.txt'), '--allow-missing-classes'],
    );
    expect(await calibrateInShards(own, 2)).toEqual(await calibrateAtOnce(own));
  });

  it('with features kept between passes', async () => {
    const cache = join(newFolder(), 'cache');
    const own = withOptions(problem, '--method', 'vim');
    const kept = withOptions(own, '--cache', cache);
    expect(await calibrateInShards(kept, 2)).toEqual(await calibrateAtOnce(own));
  });

  it('from several sources', async () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'more'));
    await drawClassFolders(join(folder, 'more'), 50, 7);
    const own = withOptions(problem, '--train', join(folder, 'more'), '--method', 'energy');
    expect(await calibrateInShards(own, 4)).toEqual(await calibrateAtOnce(own));
  });

  it('and a shard with another model, preprocessing or batch size is refused at once', async () => {
    const partials = join(newFolder(), 'partials');
    await runShard(problem, partials, '0/3');
    const model = smallClassifier();
    const filters = Buffer.from(Float32Array.of(-0.5, -0.5, 1).buffer);
    const at = Buffer.from(model).lastIndexOf(filters);
    expect(at).toBeGreaterThan(0);
    model[at + 2]! ^= 1; // of the last filter, which the head does not know of
    const path = join(newFolder(), 'other.onnx');
    writeFileSync(path, model);
    const options = problem.options.map((option) => (option === problem.head[1] ? path : option));
    await expect(runShard({ ...problem, options }, partials, '1/3')).rejects.toThrow(
      /this shard is made with another head or model/,
    );
    for (const other of [
      ['--batch', '48'],
      ['--mean', '0.4,0.5,0.5'],
    ]) {
      await expect(runShard(withOptions(problem, ...other), partials, '1/3')).rejects.toThrow(
        /this shard is made with other parameters \(method, classes, preprocessing, batch or device\)/,
      );
    }
  });

  it('and images of the other shards are not even read', async () => {
    const partials = join(newFolder(), 'partials');
    const folder = newFolder();
    await drawClassFolders(join(folder, 'train'), 110, 1);
    const own = { ...problem, options: problem.options.filter((option) => option !== '--skip-bad') };
    const options = own.options.map((option) => (option === train ? join(folder, 'train') : option));
    writeFileSync(join(folder, 'train/red/0109.png'), 'no image');
    await runShard({ ...own, options }, partials, '0/3');
    await runShard({ ...own, options }, partials, '1/3');
    await expect(runShard({ ...own, options }, partials, '2/3')).rejects.toThrow(/0109\.png/);
  });
});

describe.skipIf(!hasRealData)(`on CIFAR-10 images (${needsData})`, () => {
  // The last bits of this model's features depend on the batch. 1,000 images, not all 5,000: that takes minutes.
  it('4 shards make the very detector that one process makes', { timeout: 600_000 }, async () => {
    const model = realData('cifar10/model.onnx');
    const problem: ShardedProblem = {
      head: ['--model', model],
      options: [
        ...['--model', model, '--device', 'cpu', '--preprocess', 'cifar10', '--batch', '50'],
        ...['--train', realData('cifar10/calibration.tar.gz')],
        ...['--calibration', realData('cifar10/features/test.features.npy')],
      ],
    };
    expect(await calibrateInShards(problem, 4)).toEqual(await calibrateAtOnce(problem));
  });
});

it('calibrate says which options belong together', async () => {
  for (const options of [
    ['--shard', '0/2'],
    ['--partials', 'somewhere'],
    ['--shard', '0/2', '--partials', 'somewhere', '--out', 'elsewhere'],
  ]) {
    const command = [
      'calibrate',
      '--head',
      'h.npy',
      '--train',
      't.npy',
      '--calibration',
      'c.npy',
      ...options,
    ];
    await expect(runWell(command)).rejects.toThrow(
      /expected --shard and --partials together and without --out/,
    );
  }
});
