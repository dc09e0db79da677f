import { describe, it } from 'vitest';
import { expectOracle, logits, logSumExp, sum } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

describe('gradnorm', () => {
  it.each([1, 2.5])('is ‖h‖₁·Σ|C·p − 1| at T = %f', (temperature) =>
    expectOracle(`gradnorm:temperature=${temperature}`, () => ({ h, f }) => {
      const powers = f.map((x) => Math.exp(x / temperature));
      const p = powers.map((power) => power / sum(powers));
      return sum(h.map(Math.abs)) * sum(p.map((x) => Math.abs(p.length * x - 1)));
    }),
  );

  it('is C times the L1 norm of the gradient of KL(u ‖ p) by the weights, as differences show it', () =>
    expectOracle(
      'gradnorm',
      ({ W, b }) =>
        ({ h }) => {
          const divergence = (weights: readonly (readonly number[])[]) => {
            const f = logits(weights, b, h);
            // KL(u ‖ p) up to a constant: −mean log p
            return logSumExp(f) - sum(f) / f.length;
          };
          const step = 1e-6;
          const gradient = W.flatMap((w, c) =>
            w.map((_, l) => {
              const moved = (by: number) =>
                W.map((row, i) => row.map((x, j) => (i === c && j === l ? x + by : x)));
              return (divergence(moved(step)) - divergence(moved(-step))) / (2 * step);
            }),
          );
          return W.length * sum(gradient.map(Math.abs));
        },
      { problem: makeProblem({ classes: 3, width: 4 }), tolerance: 1e-6 },
    ));
});
