import { describe, it } from 'vitest';
import { expectOracle, logits, logSumExp, percentile, softmax } from './naive.ts';

describe('react', () => {
  it('is the energy of clipped features, the clip from the training set', () =>
    expectOracle('react', ({ W, b, train }) => {
      const clip = percentile(
        train.flatMap(({ h }) => h),
        90,
      );
      return ({ h }) =>
        logSumExp(
          logits(
            W,
            b,
            h.map((x) => Math.min(x, clip)),
          ),
        );
    }));

  it('takes a number as the clip, and other scores', () =>
    expectOracle('react:clip=0.7,score=odin:20', ({ W, b }) => ({ h }) => {
      const clipped = logits(
        W,
        b,
        h.map((x) => Math.min(x, 0.7)),
      );
      return Math.max(...softmax(clipped.map((x) => x / 20)));
    }));
});
