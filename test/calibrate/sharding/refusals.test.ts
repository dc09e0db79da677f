import { copyFileSync, cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { toolVersion } from '../../../calibrate/tool-version.ts';
import { decodeNpy, encodeNpy } from '../../../shared/formats/npy.ts';
import { newFolder, readError, runCommand } from '../run-command.ts';
import {
  calibrateAtOnce,
  featureProblem,
  mergeShards,
  runShard,
  type ShardedProblem,
  withOptions,
} from './shard-runs.ts';

let problem: ShardedProblem;
/** Partials of 3 shards, not to be changed. */
let whole: string;
beforeAll(async () => {
  problem = featureProblem(600);
  whole = await runAll(problem, 3);
});

async function runAll(ofProblem: ShardedProblem, count: number): Promise<string> {
  const partials = join(newFolder(), 'partials');
  for (let index = 0; index < count; index++) await runShard(ofProblem, partials, `${index}/${count}`);
  return partials;
}

/** A copy to be spoiled. */
function copyOf(partials: string): string {
  const copy = join(newFolder(), 'partials');
  cpSync(partials, copy, { recursive: true });
  return copy;
}

/** The error with which a merge ends; it leaves nothing behind. */
async function refusalOf(partials: string, head = problem.head): Promise<string> {
  const folder = newFolder();
  const result = await runCommand(['merge', partials, ...head, '--out', join(folder, 'detector')]);
  expect(readdirSync(folder)).toEqual([]);
  return readError(result).message;
}

/** Changes one number of the training features. */
function changeTraining({ options }: ShardedProblem): void {
  const path = options[options.indexOf('--train') + 1]!.split(':')[0]!;
  const features = decodeNpy(readFileSync(path));
  features.data[0] = 7;
  writeFileSync(path, encodeNpy(features));
}

const ofPass = (shard: number) => `pass-1/shard-0000${shard}-of-00003.safetensors`;
const ofRows = (shard: number) => `rows/shard-0000${shard}-of-00003.safetensors`;

it('the partials that the refusals below start from are good', async () => {
  expect(await mergeShards(problem, copyOf(whole))).toEqual(await calibrateAtOnce(problem));
});

describe('merge refuses, naming the shard,', () => {
  it.each([
    [ofPass, 'pass 1'],
    [ofRows, 'the rows'],
  ] as const)('a shard that is missing (%#)', async (keyOf, what) => {
    const partials = copyOf(whole);
    rmSync(join(partials, keyOf(1)));
    expect(await refusalOf(partials)).toContain(`1 of 3 shards have not delivered ${what}: 1`);
  });

  it.each([ofPass, ofRows])('a shard in the place of another (%#)', async (keyOf) => {
    const partials = copyOf(whole);
    copyFileSync(join(partials, keyOf(0)), join(partials, keyOf(2)));
    expect(await refusalOf(partials)).toMatch(
      /shard-00002-of-00003\.safetensors: expected .* of shard 2, got .* of shard 0, which is a duplicate/,
    );
  });

  it('a pass in the place of rows', async () => {
    const partials = copyOf(whole);
    copyFileSync(join(partials, ofPass(1)), join(partials, ofRows(1)));
    expect(await refusalOf(partials)).toMatch(/rows\/shard-00001.* expected the rows of shard 1, got pass 1/);
  });

  it('shards of another count', async () => {
    const partials = copyOf(whole);
    const other = await runAll(problem, 2);
    copyFileSync(
      join(other, 'pass-1/shard-00001-of-00002.safetensors'),
      join(partials, 'pass-1/shard-00001-of-00002.safetensors'),
    );
    expect(await refusalOf(partials)).toMatch(
      /shard-00001-of-00002\.safetensors is foreign: one of 2 shards/,
    );
    rmSync(join(partials, 'pass-1/shard-00001-of-00002.safetensors'));
    copyFileSync(join(other, 'pass-1/shard-00001-of-00002.safetensors'), join(partials, ofPass(1)));
    expect(await refusalOf(partials)).toMatch(
      /shard-00001-of-00003.* is foreign: one of 2 shards, expected one of 3/,
    );
  });

  it.each([
    ['another method', ['--method', 'himplos:mask=10'], 'made with other parameters'],
    ['another TPR', ['--tpr', '0.9'], 'made with other parameters'],
    ['more data', ['--ood', 'more'], 'made from other data'],
  ])('a shard with %s', async (_, options, message) => {
    const { options: given } = problem;
    const far = given.find((option) => option.startsWith('far='))!;
    const own = withOptions(
      problem,
      ...options.map((option) => (option === 'more' ? far.replace('far', 'too') : option)),
    );
    const partials = copyOf(whole);
    copyFileSync(join(await runAll(own, 3), ofPass(1)), join(partials, ofPass(1)));
    expect(await refusalOf(partials)).toMatch(new RegExp(`pass-1/shard-00001.* is foreign: ${message}`));
  });

  it('a shard with other labels', async () => {
    const own = featureProblem(600);
    const partials = await runAll(own, 3);
    const labels = own.options[own.options.indexOf('--train') + 1]!.split(':')[1]!;
    const { data, shape } = decodeNpy(readFileSync(labels));
    writeFileSync(labels, encodeNpy({ dtype: 'I64', data: (data as BigInt64Array).toReversed(), shape }));
    const other = await runAll(own, 3);
    copyFileSync(join(other, ofRows(1)), join(partials, ofRows(1)));
    expect(await refusalOf(partials, own.head)).toMatch(
      /rows\/shard-00001.* is foreign: made from other data/,
    );
  });

  it.each([ofPass, ofRows])('a shard of another version (%#)', async (keyOf) => {
    const partials = copyOf(whole);
    const bytes = readFileSync(join(partials, keyOf(1)));
    const version = toolVersion.replace(/^\d/, '9');
    const text = `toolVersion\\":\\"`;
    const at = bytes.indexOf(`${text}${toolVersion}`);
    expect(at).toBeGreaterThan(0);
    bytes.write(version, at + text.length);
    writeFileSync(join(partials, keyOf(1)), bytes);
    expect(await refusalOf(partials)).toContain(
      `${keyOf(1)} is foreign: made by himplos ${version}, expected ${toolVersion}`,
    );
  });

  it('a shard beyond the last', async () => {
    const partials = copyOf(whole);
    copyFileSync(join(partials, ofPass(2)), join(partials, ofPass(3)));
    expect(await refusalOf(partials)).toContain(`${ofPass(3)} is foreign`);
  });

  it('a shard with another head', async () => {
    const partials = copyOf(whole);
    const head = join(newFolder(), 'head.npy');
    const weight = { dtype: 'F32', data: new Float32Array(48).fill(1), shape: [4, 12] } as const;
    writeFileSync(head, encodeNpy(weight));
    const options = problem.options.map((option) => (option === problem.head[1] ? head : option));
    copyFileSync(join(await runAll({ options, head: [] }, 3), ofRows(2)), join(partials, ofRows(2)));
    expect(await refusalOf(partials)).toMatch(/rows\/shard-00002.* is foreign: made with another head/);
    expect(await refusalOf(whole, ['--head', head])).toContain('is not the head that the shards ran with');
  });

  it('a shard that read its data after it had changed', async () => {
    const changed = featureProblem(600);
    const partials = await runAll(changed, 3);
    changeTraining(changed);
    rmSync(join(partials, ofPass(0)));
    await runShard(changed, partials, '0/3');
    expect(await refusalOf(partials, changed.head)).toMatch(
      /pass-1\/shard-00000.* was made from other training rows than rows\/shard-00000/,
    );
  });

  it.each([ofPass, ofRows])('a truncated file (%#)', async (keyOf) => {
    const bytes = readFileSync(join(whole, keyOf(1)));
    for (const length of [0, 5, 100, bytes.length - 1]) {
      const partials = copyOf(whole);
      writeFileSync(join(partials, keyOf(1)), bytes.subarray(0, length));
      expect(await refusalOf(partials)).toContain(keyOf(1));
    }
  });

  it.each([ofPass, ofRows])('a flipped byte anywhere (%#)', async (keyOf) => {
    const bytes = readFileSync(join(whole, keyOf(1)));
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 60)) {
      const partials = copyOf(whole);
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1;
      writeFileSync(join(partials, keyOf(1)), flipped);
      expect(await refusalOf(partials)).toContain(keyOf(1));
    }
  });

  it('files that are no partials', async () => {
    const partials = copyOf(whole);
    writeFileSync(join(partials, 'pass-1/notes.txt'), 'mine');
    expect(await refusalOf(partials)).toContain('pass-1/notes.txt is foreign');
    renameSync(join(partials, 'pass-1/notes.txt'), join(partials, ofPass(1)));
    expect(await refusalOf(partials)).toContain(ofPass(1));
  });

  it('a folder without partials', async () => {
    expect(await refusalOf(newFolder())).toContain('there are no partials of a calibration');
  });

  it('a plan that is damaged', async () => {
    const partials = copyOf(whole);
    writeFileSync(join(partials, 'plan.json'), '{"shards": 3}');
    expect(await refusalOf(partials)).toContain('plan.json');
  });
});

describe('calibrate --shard', () => {
  it('refuses at once what others of the calibration have not', async () => {
    const own = withOptions(problem, '--method', 'energy');
    await expect(runShard(own, copyOf(whole), '0/3')).rejects.toThrow(
      /holds the partials of another calibration: this shard is made with other parameters/,
    );
    await expect(runShard(problem, copyOf(whole), '0/4')).rejects.toThrow(
      /one of 4 shards, expected one of 3/,
    );
  });

  it('does nothing twice', async () => {
    const partials = copyOf(whole);
    const before = readFileSync(join(partials, ofPass(1)));
    expect(await runShard(problem, partials, '1/3')).toContain('nothing left to do');
    expect(readFileSync(join(partials, ofPass(1)))).toEqual(before);
  });

  it.each([ofPass, ofRows])('writes the same bytes again where one is gone (%#)', async (keyOf) => {
    const partials = copyOf(whole);
    const before = readFileSync(join(partials, keyOf(1)));
    rmSync(join(partials, keyOf(1)));
    await runShard(problem, partials, '1/3');
    expect(readFileSync(join(partials, keyOf(1)))).toEqual(before);
  });

  it('goes on to the next pass when all have delivered this one', async () => {
    const own = withOptions(problem, '--method', 'vim');
    const partials = await runAll(own, 3);
    for (const index of [0, 1, 2]) expect(await runShard(own, partials, `${index}/3`)).toContain('pass 2');
    expect(await mergeShards(own, partials)).toEqual(await calibrateAtOnce(own));
  });

  it('waits for a pass of the others', async () => {
    const own = withOptions(problem, '--method', 'vim');
    const partials = await runAll(own, 3);
    rmSync(join(partials, ofPass(2)));
    expect(await runShard(own, partials, '0/3')).toContain('nothing left to do');
  });
});

it('merge with --out fails as long as there can be no detector, and keeps what it has merged', async () => {
  const own = withOptions(problem, '--method', 'vim');
  const partials = await runAll(own, 3);
  expect(await refusalOf(partials)).toContain('pass 2 over the training data comes next');
  const again = await runCommand(['merge', partials, ...problem.head]);
  expect(again).toMatchObject({ status: 0, stdout: expect.stringContaining('pass 2') });
  await runShard(own, partials, '0/3');
  expect(await refusalOf(partials)).toContain('2 of 3 shards have not delivered pass 2: 1, 2');
});

it('a pass merged from other rows than the shards have now is refused', async () => {
  const own = withOptions(featureProblem(600), '--method', 'vim');
  const partials = await runAll(own, 3);
  await runCommand(['merge', partials, ...own.head]);
  changeTraining(own);
  rmSync(join(partials, ofRows(0)));
  await runShard(own, partials, '0/3');
  expect(await refusalOf(partials, own.head)).toContain('a pass was merged from other rows');
});
