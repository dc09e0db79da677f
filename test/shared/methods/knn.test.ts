import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector, scoreAll } from './fit-and-score.ts';
import { dot, expectOracle, logSumExp, minus, norm, sum } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

const unit = (h: readonly number[]) => {
  const length = norm(h);
  return length === 0 ? [...h] : h.map((x) => x / length);
};

describe('knn', () => {
  it.each([1, 50, 700])('is the plain distance to neighbour %i of the normalised features', (k) =>
    expectOracle(`knn:k=${k}`, ({ train }) => {
      const bank = train.map(({ h }) => unit(h));
      return ({ h }) => -bank.map((z) => norm(minus(unit(h), z))).sort((a, b) => a - b)[k - 1]!;
    }),
  );

  it('gives a training row the distance 0 to itself, to the last digit', async () => {
    const problem = makeProblem();
    const detector = findDetector('knn:k=1');
    const scorer = detector.prepare(problem.head, await fitDetector(detector, problem));
    const { score } = scoreAll(scorer, problem.head, problem.train);
    expect(score.every((value) => value === 0)).toBe(true);
  });

  it('treats a zero vector as one: at 1 from every direction, at 0 from itself', async () => {
    const problem = makeProblem();
    const { head, train } = problem;
    const zeros = { rows: 1, features: new Float32Array(head.width), labels: Int32Array.of(-1) };
    const detector = findDetector('knn:k=2');
    const score = async () =>
      scoreAll(detector.prepare(head, await fitDetector(detector, problem)), head, zeros).score[0];
    expect(await score()).toBeCloseTo(-1, 12);
    train.features.fill(0, 0, 2 * head.width);
    expect(await score()).toBeCloseTo(0, 12);
  });

  it('finds zero rows of the bank when they are nearest', () => {
    const problem = makeProblem();
    problem.train.features.fill(0, 0, 5 * problem.head.width);
    // Samples that point away from everything: all cosines are negative.
    problem.ood.features.forEach((h, i) => {
      problem.ood.features[i] = -h;
    });
    return expectOracle(
      'knn:k=7',
      ({ train }) => {
        const bank = train.map(({ h }) => unit(h));
        return ({ h }) => -bank.map((z) => norm(minus(unit(h), z))).sort((a, b) => a - b)[6]!;
      },
      { problem },
    );
  });

  it('samples a bank that does not depend on the order of rows, and is not the first ones', async () => {
    const problem = makeProblem();
    const { head, train } = problem;
    const reversed = new Float32Array(train.features.length);
    for (let row = 0; row < train.rows; row++) {
      const from = (train.rows - 1 - row) * head.width;
      reversed.set(train.features.subarray(from, from + head.width), row * head.width);
    }
    const detector = findDetector('knn:k=5,bank=60');
    const { bank } = await fitDetector(detector, problem);
    const turned = { ...train, features: reversed, labels: train.labels.toReversed() };
    expect(bank!.shape).toEqual([60, head.width]);
    expect((await fitDetector(detector, { ...problem, train: turned })).bank).toEqual(bank);
    const first = train.features.subarray(0, 60 * head.width);
    expect([...(bank!.data as Float32Array)].sort()).not.toEqual([...first].sort());
  });

  it.each(['knn', 'nnguide'])('%s says so when k is above the size of the bank', async (id) => {
    const problem = makeProblem({ trainRows: 40 });
    await expect(fitDetector(findDetector(`${id}:k=41`), problem)).rejects.toThrow(
      /expected k of at most 40, the rows in the bank, got 41/,
    );
    await expect(fitDetector(findDetector(`${id}:k=20,bank=10`), problem)).rejects.toThrow(/at most 10/);
  });
});

describe('nnguide', () => {
  it.each([1, 10])('guides the energy by the mean of the %i nearest, weighted by their energies', (k) =>
    expectOracle(`nnguide:k=${k}`, ({ train }) => {
      const bank = train.map(({ h, f }) => unit(h).map((x) => x * logSumExp(f)));
      return ({ h, f }) => {
        const nearest = bank.map((z) => dot(unit(h), z)).sort((a, b) => b - a);
        return (logSumExp(f) * sum(nearest.slice(0, k))) / k;
      };
    }),
  );
});
