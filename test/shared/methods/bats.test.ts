import { describe, it } from 'vitest';
import { expectOracle, logits, logSumExp, mean, sum } from './naive.ts';

describe('bats', () => {
  it.each([0.5, 3])('clamps to λ = %f population standard deviations around the mean', (lambda) =>
    expectOracle(`bats:lambda=${lambda}`, ({ W, b, train }) => {
      const m = mean(train.map(({ h }) => h));
      const sd = m.map((x, l) => Math.sqrt(sum(train.map(({ h }) => (h[l]! - x) ** 2)) / train.length));
      return ({ h }) => {
        const clamped = h.map((x, l) => {
          return Math.min(Math.max(x, m[l]! - lambda * sd[l]!), m[l]! + lambda * sd[l]!);
        });
        return logSumExp(logits(W, b, clamped));
      };
    }),
  );
});
