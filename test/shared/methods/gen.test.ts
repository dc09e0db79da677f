import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector, scoreAll } from './fit-and-score.ts';
import { scoreWithGraph } from './graph-runner.ts';
import { expectOracle, samplesOf, sum } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

describe('gen', () => {
  it.each(['gen', 'gen:gamma=0.5,m=3', 'gen:m=1'])('%s sums over the most probable classes', (spec) => {
    const gamma = spec.includes('gamma') ? 0.5 : 0.1;
    const m = Number(/m=(\d+)$/.exec(spec)?.[1] ?? 100);
    return expectOracle(spec, () => ({ p }) => {
      const top = [...p].sort((a, b) => b - a).slice(0, m);
      return -sum(top.map((x) => x ** gamma * (1 - x) ** gamma));
    });
  });

  it('agrees with the formula for more classes than it sums over', () =>
    expectOracle(
      'gen:m=5',
      () =>
        ({ p }) => {
          const top = [...p].sort((a, b) => b - a).slice(0, 5);
          return -sum(top.map((x) => x ** 0.1 * (1 - x) ** 0.1));
        },
      { problem: makeProblem({ classes: 23, width: 30 }) },
    ));

  it('keeps its digits in the graph for confident samples, where float32 has none left', async () => {
    const problem = makeProblem();
    const { head, id } = problem;
    const confident = { ...id, features: id.features.map((h) => 1.2 * h) };
    const detector = findDetector('gen');
    const tensors = await fitDetector(detector, problem);
    const own = scoreAll(detector.prepare(head, tensors), head, confident).score;
    const { score } = await scoreWithGraph(detector, head, tensors, confident.features, confident.rows);
    // Beyond float32's last digit, but not beyond float64's, or there is nothing to test.
    const doubts = samplesOf(head, confident).map(({ p }) => 1 - Math.max(...p));
    expect(Math.min(...doubts)).toBeLessThan(2 ** -24);
    expect(Math.min(...doubts)).toBeGreaterThan(1e-13);
    own.forEach((wanted, row) => {
      expect(Math.abs(score[row]! - wanted)).toBeLessThan(1e-5);
    });
  });
});
