import { describe, expect, it } from 'vitest';
import { bank } from '../../../shared/statistics/bank.ts';
import { makeProblem } from '../methods/sample-problem.ts';
import { shuffledIndices } from '../random.ts';
import { reduce } from './reduce.ts';

const { head, train } = makeProblem({ trainRows: 1000 });
const { width } = head;
const rowsOf = (features: Float32Array) =>
  Array.from(
    { length: features.length / width },
    (_, row) => `${features.subarray(row * width, (row + 1) * width)}`,
  );

describe('bank', () => {
  it('holds every row of a small source', async () => {
    const { rows, totalRows, features } = await reduce(bank(5000), head, train);
    expect([rows, totalRows]).toEqual([1000, 1000]);
    expect(rowsOf(features).sort()).toEqual(rowsOf(train.features).sort());
  });

  it('is the same sample whatever the order and the shards', async () => {
    const whole = await reduce(bank(100), head, train);
    expect(whole.rows).toBe(100);
    expect(await reduce(bank(100), head, train, 5)).toEqual(whole);
    const order = shuffledIndices(train.rows, 2);
    const shuffled = {
      rows: train.rows,
      features: train.features.map(
        (_, i) => train.features[order[Math.floor(i / width)]! * width + (i % width)]!,
      ),
      labels: train.labels.map((_, i) => train.labels[order[i]!]!),
    };
    expect(await reduce(bank(100), head, shuffled)).toEqual(whole);
  });

  it('draws from all classes of a source in class order', async () => {
    const order = [...train.labels.keys()].sort((a, b) => train.labels[a]! - train.labels[b]!);
    const sorted = {
      rows: train.rows,
      features: train.features.map(
        (_, i) => train.features[order[Math.floor(i / width)]! * width + (i % width)]!,
      ),
      labels: train.labels.map((_, i) => train.labels[order[i]!]!),
    };
    const { labels } = await reduce(bank(100), head, sorted);
    for (let c = 0; c < head.classes; c++) {
      const count = labels.filter((label) => label === c).length;
      expect(count).toBeGreaterThan(4);
      expect(count).toBeLessThan(40);
    }
  });
});
