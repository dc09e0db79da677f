import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector, scoreAll } from './fit-and-score.ts';
import { expectOracle, logits, logSumExp, mean, type Plain, percentile } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

/** W with entries whose contribution is at or below the global percentile set to zero. */
function sparse({ W, train }: Plain, p: number): number[][] {
  const mu = mean(train.map(({ h }) => h));
  const contributions = W.map((w) => w.map((x, l) => mu[l]! * x));
  const threshold = percentile(contributions.flat(), p);
  return W.map((w, c) => w.map((x, l) => (contributions[c]![l]! > threshold ? x : 0)));
}

describe('dice', () => {
  it.each([0, 50, 90])('keeps contributions above the global percentile %i', (p) =>
    expectOracle(`dice:p=${p}`, (problem) => {
      const W = sparse(problem, p);
      return ({ h }) => logSumExp(logits(W, problem.b, h));
    }),
  );

  it('keeps a share of all entries, not of each class', async () => {
    const problem = makeProblem();
    // A class whose weights are all small keeps nothing.
    problem.head.weight.subarray(0, 24).fill(1e-6);
    const { kept } = await fitDetector(findDetector('dice:p=90'), problem);
    expect([...(kept!.data as Uint8Array).subarray(0, 3)]).toEqual([0, 0, 0]);
  });

  it('changes with p on the same head and data', async () => {
    const problem = makeProblem();
    const scores = [];
    for (const p of [10, 90]) {
      const detector = findDetector(`dice:p=${p}`);
      const tensors = await fitDetector(detector, problem);
      scores.push(scoreAll(detector.prepare(problem.head, tensors), problem.head, problem.id).score);
    }
    expect(scores[0]).not.toEqual(scores[1]);
  });
});

describe('dice-react', () => {
  it('clips samples, but chooses entries from unclipped training features', () =>
    expectOracle('dice-react:p=70,clip=0.5', (problem) => {
      const W = sparse(problem, 70);
      return ({ h }) =>
        logSumExp(
          logits(
            W,
            problem.b,
            h.map((x) => Math.min(x, 0.5)),
          ),
        );
    }));
});
