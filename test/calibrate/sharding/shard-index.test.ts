import { describe, expect, it } from 'vitest';
import { parseShard } from '../../../calibrate/sharding/shard-index.ts';
import { partOfShard } from '../../../calibrate/sharding/shard-range.ts';
import { blockCount } from '../../../shared/statistics/contract.ts';

describe('--shard', () => {
  it('is an index from 0 and a count', () => {
    expect(parseShard('0/4', {})).toEqual({ index: 0, count: 4 });
    expect(parseShard('99/100', {})).toEqual({ index: 99, count: 100 });
  });

  it.each(['AWS_BATCH_JOB_ARRAY_INDEX', 'SLURM_ARRAY_TASK_ID', 'JOB_COMPLETION_INDEX'])(
    'auto takes the index from %s',
    (name) => {
      expect(parseShard('auto/4', { [name]: '3' })).toEqual({ index: 3, count: 4 });
      expect(() => parseShard('auto/4', { [name]: '4' })).toThrow(`${name}: expected an index from 0 to 3`);
      expect(() => parseShard('auto/4', { [name]: '-1' })).toThrow(`${name}: expected a whole number`);
    },
  );

  it('auto outside an array job, or with two indices, is refused', () => {
    expect(() => parseShard('auto/4', { SLURM_ARRAY_TASK_ID: '' })).toThrow(/array job’s index .* got none/);
    const two = { SLURM_ARRAY_TASK_ID: '1', JOB_COMPLETION_INDEX: '2' };
    expect(() => parseShard('auto/4', two)).toThrow('SLURM_ARRAY_TASK_ID=1, JOB_COMPLETION_INDEX=2');
  });

  it.each(['4/4', '0/0', '1', '1/', '-1/4', '1.5/4', '0/10001', 'a/4', '1/4/2', ''])(
    '%j is refused',
    (text) => {
      expect(() => parseShard(text, {})).toThrow(/expected/);
    },
  );
});

it.each([1, 127, 128, 2500, 100_000, 1_281_167])('shards of %i samples are all of them, once', (samples) => {
  for (const count of [1, 3, 16, 100]) {
    let [block, sample] = [0, 0];
    for (let index = 0; index < count; index++) {
      const part = partOfShard(samples, 10, { index, count });
      expect([part.blocks.first, part.samples.first]).toEqual([block, sample]);
      [block, sample] = [part.blocks.end, part.samples.end];
    }
    expect([block, sample]).toEqual([blockCount(samples, 10), samples]);
  }
});
