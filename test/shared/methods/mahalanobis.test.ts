import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { runFit } from '../../../shared/statistics/run-fit.ts';
import { portions, scoreAll } from './fit-and-score.ts';
import { dot, expectOracle, mean, minus, type Plain, scatter, solve } from './naive.ts';
import type { Problem } from './sample-problem.ts';
import { makeProblem } from './sample-problem.ts';

function classDistance({ W, train }: Plain) {
  const means = W.map((_, c) => mean(train.filter(({ label }) => label === c).map(({ h }) => h)));
  const covariance = scatter(
    train.map(({ h }) => h),
    (row) => means[train[row]!.label]!,
  );
  return (h: readonly number[]) =>
    Math.min(...means.map((m) => dot(minus(h, m), solve(covariance, minus(h, m)))));
}

async function fitWithWarnings(spec: string, { head, train }: Problem) {
  const warnings: string[] = [];
  const tensors = await runFit(findDetector(spec), {
    head,
    totalRows: { train: train.rows, calibration: 0 },
    openPass: () => portions(train, head.width, 100),
    warn: (sentence) => warnings.push(sentence),
  });
  return { tensors, warnings };
}

describe('mahalanobis', () => {
  it('is the distance to the nearest class mean by the within-class scatter / N', () =>
    expectOracle('mahalanobis', (problem) => {
      const distance = classDistance(problem);
      return ({ h }) => -distance(h);
    }));

  it('adds no ridge to a covariance with one channel a million times smaller than the others', async () => {
    const problem = makeProblem();
    const { head } = problem;
    for (const { features } of [problem.train, problem.id, problem.ood])
      for (let i = 0; i < features.length; i += head.width) features[i]! *= 1e-6;
    expect((await fitWithWarnings('mahalanobis', problem)).warnings).toEqual([]);
    await expectOracle(
      'mahalanobis',
      (plain) => {
        const distance = classDistance(plain);
        return ({ h }) => -distance(h);
      },
      { problem, tolerance: 1e-6 },
    );
  });

  it.each([
    ['mahalanobis', 0],
    ['mahalanobis', 0.1],
    ['rmds', 0],
    ['rmds', 0.1],
  ])('%s warns of a ridge when a channel is always %f', async (spec, value) => {
    const problem = makeProblem();
    const { head, train, id } = problem;
    for (let i = 5; i < train.features.length; i += head.width) train.features[i] = value;
    const { tensors, warnings } = await fitWithWarnings(spec, problem);
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings[0]).toMatch(/singular/);
    const { score } = scoreAll(findDetector(spec).prepare(head, tensors), head, id);
    expect(score.every(Number.isFinite)).toBe(true);
  });

  it('leaves classes without training rows out, with no NaN from their mean', () => {
    const problem = makeProblem();
    problem.train.labels.forEach((label, row) => {
      if (label === 2) problem.train.labels[row] = 3;
    });
    return expectOracle(
      'mahalanobis',
      (plain) => {
        const distance = classDistance({
          ...plain,
          W: plain.W.filter((_, c) => c !== 2),
          train: plain.train.map((x) => ({ ...x, label: x.label > 2 ? x.label - 1 : x.label })),
        });
        return ({ h }) => -distance(h);
      },
      { problem },
    );
  });

  it('refuses training data that does not vary within classes', async () => {
    const problem = makeProblem();
    const { features, labels } = problem.train;
    labels.forEach((label, row) => {
      features.fill(0.1 + label / 7, row * problem.head.width, (row + 1) * problem.head.width);
    });
    await expect(fitWithWarnings('mahalanobis', problem)).rejects.toThrow(/positive mean variance/);
  });
});

describe('rmds', () => {
  it('subtracts the distance to the overall mean by the total covariance / N', () =>
    expectOracle('rmds', (problem) => {
      const distance = classDistance(problem);
      const rows = problem.train.map(({ h }) => h);
      const mu = mean(rows);
      const total = scatter(rows, () => mu);
      return ({ h }) => dot(minus(h, mu), solve(total, minus(h, mu))) - distance(h);
    }));
});
