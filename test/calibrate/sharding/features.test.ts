import { describe, expect, it } from 'vitest';
import { methods } from '../../../shared/methods/registry.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import {
  calibrateAtOnce,
  calibrateInShards,
  featureProblem,
  type ShardedProblem,
  withOptions,
} from './shard-runs.ts';

describe('from features, shards and a merge make the very files that one process makes', () => {
  const problem = featureProblem();

  it.each(methods.map(({ id }) => id))('%s, in 3 shards', async (method) => {
    const own = withOptions(problem, '--method', method);
    expect(await calibrateInShards(own, 3)).toEqual(await calibrateAtOnce(own));
  });

  it.each([1, 4, 16])('himplos and vim, in %i', async (count) => {
    for (const method of ['himplos', 'vim']) {
      const own = withOptions(problem, '--method', method);
      expect(await calibrateInShards(own, count)).toEqual(await calibrateAtOnce(own));
    }
  });

  it.each([3, 16])('in %i, with so many classes that blocks are few', async (count) => {
    const many = featureProblem(2500, 70);
    expect(await calibrateInShards(many, count)).toEqual(await calibrateAtOnce(many));
  });

  it('in more shards than there are blocks', async () => {
    const few = featureProblem(300);
    expect(await calibrateInShards(few, 5)).toEqual(await calibrateAtOnce(few));
  });
});

describe.skipIf(!hasRealData)(`on CIFAR-10 features (${needsData})`, () => {
  const model = hasRealData ? realData('cifar10/model.onnx') : '';
  const labelled = (name: string) =>
    ['features', 'labels'].map((kind) => realData(`cifar10/features/${name}.${kind}.npy`)).join(':');
  const problem: ShardedProblem = {
    head: ['--model', model],
    options: [
      ...['--model', model, '--device', 'cpu', '--train', labelled('train')],
      ...['--calibration', labelled('calibration'), '--evaluation', labelled('test')],
      ...['--ood', `textures=${realData('cifar10/features/textures.features.npy')}`],
    ],
  };

  it.each([
    ['himplos', [1, 4, 16]],
    ['vim', [4]],
  ] as const)('%s in %j shards', async (method, counts) => {
    const own = withOptions(problem, '--method', method);
    const once = await calibrateAtOnce(own);
    for (const count of counts) expect(await calibrateInShards(own, count)).toEqual(once);
  });
});
