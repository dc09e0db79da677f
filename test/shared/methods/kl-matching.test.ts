import { describe, it } from 'vitest';
import { expectOracle, mean, sum } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

describe('kl-matching', () => {
  it('is the divergence from the nearest mean softmax of rows predicted alike', () =>
    expectOracle('kl-matching', ({ W, train }) => {
      const templates = W.map((_, c) => mean(train.filter((x) => x.predicted === c).map(({ p }) => p)));
      return ({ p }) =>
        -Math.min(...templates.map((d) => sum(p.map((x, k) => (x === 0 ? 0 : x * Math.log(x / d[k]!))))));
    }));

  it('leaves out classes that nothing is predicted as', () => {
    const problem = makeProblem();
    problem.head.bias[4] = -1000;
    return expectOracle(
      'kl-matching',
      ({ W, train }) => {
        const present = W.map((_, c) => train.filter((x) => x.predicted === c)).filter(
          (rows) => rows.length > 0,
        );
        const templates = present.map((rows) => mean(rows.map(({ p }) => p)));
        return ({ p }) =>
          -Math.min(...templates.map((d) => sum(p.map((x, k) => (x === 0 ? 0 : x * Math.log(x / d[k]!))))));
      },
      { problem },
    );
  });
});
