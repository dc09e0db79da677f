import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { argmax } from '../../../shared/maths/logit-sums.ts';
import { quantile } from '../../../shared/maths/quantile.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import {
  classMeans,
  classSums,
  correctClassSums,
  overallMean,
} from '../../../shared/statistics/class-sums.ts';
import { blockCount, type Statistic } from '../../../shared/statistics/contract.ts';
import { activationQuantiles, MAX_EXACT_VALUES } from '../../../shared/statistics/quantiles.ts';
import { reduceRows } from '../../../shared/statistics/reduce-rows.ts';
import { logitsOf, portions } from '../methods/fit-and-score.ts';
import { type LabelledFeatures, makeProblem } from '../methods/sample-problem.ts';
import { randomNormals, shuffledIndices } from '../random.ts';

const { head, train } = makeProblem({ trainRows: 1000 });

describe('class sums', () => {
  it('are the sums over the rows of each class', async () => {
    const result = await reduce(classSums, head, train);
    const expected = slowSums(() => true);
    expect(result.counts).toEqual(expected.counts);
    result.sums.forEach((sum, i) => {
      expect(sum).toBeCloseTo(expected.sums[i]!, 9);
    });
    const mean = overallMean(result);
    mean.forEach((value, l) => {
      const column = Array.from({ length: train.rows }, (_, row) => train.features[row * head.width + l]!);
      expect(value).toBeCloseTo(column.reduce((a, b) => a + b) / train.rows, 10);
    });
  });

  it('of correctly classified rows leave the others out', async () => {
    const logits = logitsOf(head, train.features, train.rows);
    // Some labels are made wrong, so that there is something to leave out.
    const noisy = {
      ...train,
      labels: train.labels.map((label, row) => (row % 7 === 0 ? (label + 1) % head.classes : label)),
    };
    const isCorrect = (row: number) => argmax(logits, row * head.classes, head.classes) === noisy.labels[row];
    const result = await reduce(correctClassSums, head, noisy);
    const expected = slowSums(isCorrect, noisy.labels);
    expect(result.counts).toEqual(expected.counts);
    expect(result.counts.reduce((a, b) => a + b)).toBeLessThan(train.rows);
    result.sums.forEach((sum, i) => {
      expect(sum).toBeCloseTo(expected.sums[i]!, 9);
    });
  });

  it('give a class without rows a mean of zeros, not NaN', () => {
    const means = classMeans({
      classes: 2,
      width: 2,
      counts: Float64Array.of(2, 0),
      sums: Float64Array.of(2, 4, 0, 0),
    });
    expect([...means]).toEqual([1, 2, 0, 0]);
  });

  it('keep every digit that float32 sums would lose', async () => {
    const rows = 4096;
    const narrow: Head = { classes: 1, width: 1, weight: Float32Array.of(1), bias: Float32Array.of(0) };
    const features = new Float32Array(rows).fill(1e-4);
    features[0] = 2 ** 24;
    const { sums } = await reduce(classSums, narrow, { rows, features, labels: new Int32Array(rows) });
    expect(sums[0]).toBeCloseTo(2 ** 24 + (rows - 1) * Math.fround(1e-4), 6);
  });

  it('refuse a row without a label, and states of another shape', async () => {
    const labels = train.labels.slice();
    labels[300] = -1;
    await expect(reduce(classSums, head, { ...train, labels })).rejects.toThrow('training row 300');
    const reducer = classSums.create({ head, totalRows: 10 });
    expect(() => reducer.merge({})).toThrow(expect.objectContaining({ code: 'bad-input' }));
  });
});

describe('activation quantiles', () => {
  it('are exact for small sources', async () => {
    const quantiles = await reduce(activationQuantiles, head, train);
    expect(quantiles.isExact).toBe(true);
    expect(quantiles.count).toBe(train.features.length);
    for (const fraction of [0, 0.1, 0.5, 0.9, 0.95, 0.99, 1]) {
      expect(quantiles.at(fraction)).toBe(quantile(Float64Array.from(train.features), fraction));
    }
  });

  // The size that a source claims to have decides; the rows behind it need not all come.
  const totalRows = MAX_EXACT_VALUES / head.width + 1;

  it('are within 1e-4 from a histogram for large ones, of signed values of any size too', () => {
    const normal = randomNormals(31);
    const populations = [
      train.features,
      Float32Array.from({ length: 50_000 }, () => normal() * 10 ** (8 * normal())),
      Float32Array.from({ length: 999 }, (_, i) => (i < 600 ? 0 : i / 7)),
      Float32Array.of(-3, -3, -3, 5),
    ];
    for (const population of populations) {
      const reducer = activationQuantiles.create({
        head: { ...head, width: 1 },
        totalRows: MAX_EXACT_VALUES + 1,
      });
      reducer.add(batchOf(population));
      const { at, count, isExact } = reducer.result();
      expect([count, isExact]).toEqual([population.length, false]);
      const sorted = Float64Array.from(population).sort();
      for (let i = 0; i <= 200; i++) {
        const position = Math.floor((i / 200) * (sorted.length - 1));
        const exact = sorted[position]!;
        expect(Math.abs(at(position / (sorted.length - 1)) - exact)).toBeLessThanOrEqual(
          1e-4 * Math.abs(exact),
        );
      }
    }
  });

  it.each([
    ['exact', train.rows],
    ['histogram', totalRows],
  ])('do not depend on the order of rows or on who counted them (%s)', (_, claimedRows) => {
    const context = { head, totalRows: claimedRows };
    const { width } = head;
    const whole = activationQuantiles.create(context);
    whole.add(batchOf(train.features, width));
    const merged = activationQuantiles.create(context);
    const shards = [activationQuantiles.create(context), activationQuantiles.create(context)];
    for (const row of shuffledIndices(train.rows, 3)) {
      shards[row % 2]!.add(batchOf(train.features.slice(row * width, (row + 1) * width), width));
    }
    for (const shard of shards) merged.merge(decodeSafetensors(encodeSafetensors(shard.save())).tensors);
    expect(encodeSafetensors(merged.save())).toEqual(encodeSafetensors(whole.save()));
    for (const fraction of [0, 0.3, 0.9, 1])
      expect(merged.result().at(fraction)).toBe(whole.result().at(fraction));
  });

  it('refuse states of another kind', () => {
    const exact = activationQuantiles.create({ head, totalRows: 10 });
    const histogram = activationQuantiles.create({ head, totalRows });
    expect(() => exact.merge(histogram.save())).toThrow(expect.objectContaining({ code: 'bad-input' }));
    expect(() => histogram.merge(exact.save())).toThrow(expect.objectContaining({ code: 'bad-input' }));
    const spoilt = {
      buckets: { dtype: 'I32', shape: [1], data: Int32Array.of(2 ** 22) },
      counts: { dtype: 'F64', shape: [1], data: Float64Array.of(1) },
    } as const;
    expect(() => histogram.merge(spoilt)).toThrow(expect.objectContaining({ code: 'bad-input' }));
  });
});

async function reduce<R>(statistic: Statistic<R>, ofHead: Head, source: LabelledFeatures): Promise<R> {
  const { reducers, failures } = await reduceRows({
    statistics: [statistic],
    head: ofHead,
    over: 'train',
    pass: 1,
    totalRows: source.rows,
    openPass: () => portions(source, ofHead.width, 77),
  });
  for (const error of failures.values()) throw error;
  expect(blockCount(source.rows, ofHead.classes)).toBeGreaterThan(1);
  return reducers.get(statistic.key)!.result() as R;
}

function batchOf(features: Float32Array, width = 1) {
  const rows = features.length / width;
  return { rows, firstRow: 0, features, labels: new Int32Array(rows), logits: () => new Float64Array(0) };
}

function slowSums(counts: (row: number) => boolean, labels = train.labels) {
  const { classes, width } = head;
  const result = { counts: new Float64Array(classes), sums: new Float64Array(classes * width) };
  for (let row = 0; row < train.rows; row++) {
    if (!counts(row)) continue;
    const c = labels[row]!;
    result.counts[c]! += 1;
    for (let l = 0; l < width; l++) result.sums[c * width + l]! += train.features[row * width + l]!;
  }
  return result;
}
