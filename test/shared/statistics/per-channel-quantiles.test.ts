import { describe, expect, it } from 'vitest';
import { quantile } from '../../../shared/maths/quantile.ts';
import type { Statistic } from '../../../shared/statistics/contract.ts';
import { perChannelQuantiles } from '../../../shared/statistics/per-channel-quantiles.ts';
import { makeProblem } from '../methods/sample-problem.ts';
import { randomNormals, shuffledIndices } from '../random.ts';
import { headOfWidth, reducePasses } from './reduce.ts';

const FRACTIONS = [0, 0.25, 0.6, 0.95, 1];

/** Channels of one population each. */
function interleave(populations: readonly (readonly number[])[]) {
  const rows = populations[0]!.length;
  const features = Float32Array.from(
    { length: rows * populations.length },
    (_, i) => populations[i % populations.length]![Math.floor(i / populations.length)]!,
  );
  return { rows, features, labels: new Int32Array(rows) };
}

const normal = randomNormals(4);
const draw = (of: (i: number) => number) => Array.from({ length: 777 }, (_, i) => of(i));
const source = interleave([
  draw(() => normal()),
  draw(() => Math.max(0, normal() - 1)),
  draw(() => normal() * 10 ** (6 * normal())),
  draw(() => -5),
  draw((i) => (i % 2 === 0 ? 0 : -0)),
  draw((i) => (i < 466 ? 1 : 1 + 2 ** -23)),
]);
const head = headOfWidth(6);

describe('per-channel quantiles', () => {
  it('are exact for signed values, ties, tiny differences and zeros of either sign', async () => {
    const result = await reducePasses(perChannelQuantiles(FRACTIONS, 5000), head, source);
    FRACTIONS.forEach((fraction, i) => {
      for (let l = 0; l < 6; l++) {
        const values = source.features.filter((_, at) => at % 6 === l);
        expect(result[i]![l]! + 0).toBe(quantile(Float64Array.from(values), fraction) + 0);
      }
    });
  });

  it('do not depend on shards or on the order of rows', async () => {
    const whole = await reducePasses(perChannelQuantiles([0.3, 0.9], 5000), head, source);
    expect(await reducePasses(perChannelQuantiles([0.3, 0.9], 5000), head, source, 4)).toEqual(whole);
    const order = shuffledIndices(source.rows, 8);
    const features = source.features.map((_, i) => source.features[order[Math.floor(i / 6)]! * 6 + (i % 6)]!);
    expect(await reducePasses(perChannelQuantiles([0.3, 0.9], 5000), head, { ...source, features })).toEqual(
      whole,
    );
  });

  it('of a single row are that row', async () => {
    const one = { rows: 1, features: Float32Array.of(1, -2, 3, 0, 5, 6), labels: Int32Array.of(0) };
    const [low, high] = await reducePasses(perChannelQuantiles([0.1, 0.9], 5000), head, one);
    expect([...low!]).toEqual([1, -2, 3, 0, 5, 6]);
    expect(high).toEqual(low);
  });

  it('agree with sorting on activations', async () => {
    const problem = makeProblem({ width: 5, trainRows: 3000 });
    const { train } = problem;
    const [result] = await reducePasses(perChannelQuantiles([0.6], 5000), problem.head, train, 2);
    for (let l = 0; l < 5; l++) {
      const values = Float64Array.from(train.features.filter((_, at) => at % 5 === l));
      expect(result![l]).toBe(quantile(values, 0.6));
    }
  });

  it('refuse sources too long to count, and states of another shape', () => {
    expect(() => perChannelQuantiles([0.5], 2 ** 31).next()).toThrow(/fewer than 2\^31 rows/);
    const { histogram } = perChannelQuantiles([0.5], 10).next().value as Record<string, Statistic<unknown>>;
    expect(() => histogram!.create({ head, totalRows: 5 }).merge({})).toThrow(/got another state/);
  });
});
