import { describe, expect, it } from 'vitest';
import { channelMoments } from '../../../shared/statistics/channel-moments.ts';
import { secondMoment } from '../../../shared/statistics/second-moment.ts';
import { furthest } from '../maths/linalg/seeded-matrix.ts';
import { makeProblem } from '../methods/sample-problem.ts';
import { headOfWidth, reduce } from './reduce.ts';

const { head, train } = makeProblem({ trainRows: 1000 });
const { width } = head;
const column = (l: number) =>
  Array.from({ length: train.rows }, (_, row) => train.features[row * width + l]!);
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;

describe('channel moments', () => {
  it('are mean and population standard deviation of each channel', async () => {
    const moments = await reduce(channelMoments, head, train);
    expect(moments.rows).toBe(1000);
    for (let l = 0; l < width; l++) {
      const m = mean(column(l));
      expect(moments.mean[l]).toBeCloseTo(m, 12);
      expect(moments.std[l]).toBeCloseTo(Math.sqrt(mean(column(l).map((x) => (x - m) ** 2))), 12);
    }
  });

  it('are the same bits from any number of shards', async () => {
    const whole = await reduce(channelMoments, head, train);
    expect(await reduce(channelMoments, head, train, 3)).toEqual(whole);
    expect(await reduce(channelMoments, head, train, 8)).toEqual(whole);
  });

  it('keep their digits over many rows, where float32 sums stand still', async () => {
    const rows = 200_000;
    // 0.1 added to a float32 sum above 2^21 = 2.1 million no longer counts for what it is.
    const features = Float32Array.from({ length: rows }, (_, row) => 100 + (row % 2 === 0 ? 0.25 : -0.25));
    const source = { rows, features, labels: new Int32Array(rows) };
    const moments = await reduce(channelMoments, headOfWidth(1), source);
    expect(moments.mean[0]).toBeCloseTo(100, 10);
    expect(moments.std[0]).toBeCloseTo(0.25, 9);
  });

  it('give a constant channel the deviation 0, or next to it, and never NaN', async () => {
    const rows = 999;
    const source = { rows, features: new Float32Array(rows).fill(0.1), labels: new Int32Array(rows) };
    const { std } = await reduce(channelMoments, headOfWidth(1), source);
    expect(std[0]).toBeLessThan(1e-7);
    expect(std[0]).toBeGreaterThanOrEqual(0);
  });
});

describe('second moment', () => {
  it('is the mean outer product, symmetric', async () => {
    const { rows, moment } = await reduce(secondMoment, head, train);
    expect(rows).toBe(1000);
    const columns = Array.from({ length: width }, (_, l) => column(l));
    const expected = columns.flatMap((a) => columns.map((b) => mean(a.map((x, row) => x * b[row]!))));
    expect(furthest(moment, expected)).toBeLessThan(1e-12);
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < i; j++) expect(moment[i * width + j]).toBe(moment[j * width + i]);
    }
  });

  it('is the same bits from any number of shards', async () => {
    const whole = await reduce(secondMoment, head, train);
    expect(await reduce(secondMoment, head, train, 2)).toEqual(whole);
    expect(await reduce(secondMoment, head, train, 7)).toEqual(whole);
  });

  it('does not need labels', async () => {
    const unlabelled = { ...train, labels: new Int32Array(train.rows).fill(-1) };
    expect((await reduce(secondMoment, head, unlabelled)).rows).toBe(1000);
  });
});

describe('saved states', () => {
  it.each([channelMoments, secondMoment])('of $key are refused without a row count', (statistic) => {
    const { rows: _, ...rest } = statistic.create({ head, totalRows: 100 }).save();
    expect(() => statistic.create({ head, totalRows: 100 }).merge(rest)).toThrow(/expected a row count/);
  });
});
