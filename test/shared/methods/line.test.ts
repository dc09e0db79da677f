import { describe, it } from 'vitest';
import { dot, expectOracle, logits, logSumExp, mean, norm, type Plain, percentile } from './naive.ts';

/** Masked logits of a sample by the definitions. */
function maskedLogits({ W, b, train }: Plain, pa: number, pw: number, clip: number) {
  const means = W.map((_, c) => mean(train.filter(({ label }) => label === c).map(({ h }) => h)));
  const t = W.map((w, c) => w.map((x, l) => x * means[c]![l]!));
  return (h: readonly number[]) => {
    const clipped = h.map((x) => Math.min(x, clip));
    const f = logits(W, b, clipped);
    const own = t[f.indexOf(Math.max(...f))]!;
    const active = percentile(own, pa);
    const weighted = W.map((w) => w.map((x, l) => Math.abs(own[l]!) * x));
    const heavy = percentile(weighted.flat(), pw);
    return logits(
      W.map((w, c) => w.map((x, l) => (weighted[c]![l]! > heavy ? x : 0))),
      b,
      clipped.map((x, l) => (own[l]! > active ? x : 0)),
    );
  };
}

describe('line', () => {
  it.each([
    ['line', 90, 90, 1],
    ['line:pw=10,pa=10,clip=0.8', 10, 10, 0.8],
    ['line:pw=60,pa=30,clip=none', 30, 60, Number.POSITIVE_INFINITY],
  ])('%s masks activations and weights of the clipped prediction', (spec, pa, pw, clip) =>
    expectOracle(spec, (problem) => {
      const masked = maskedLogits(problem, pa, pw, clip);
      return ({ h }) => logSumExp(masked(h));
    }),
  );

  it('is scaled by the cosine to the prototype of the original prediction', () =>
    expectOracle(
      'line:pw=50,pa=50,clip=0.4,smoothing=scale',
      (problem) => {
        const masked = maskedLogits(problem, 50, 50, 0.4);
        const prototypes = problem.W.map((_, c) =>
          mean(problem.train.filter(({ label }) => label === c).map(({ h }) => h)),
        );
        return ({ h, predicted }) => {
          const v = prototypes[predicted]!;
          const cosine = dot(h, v) / norm(h) / norm(v);
          return logSumExp(masked(h).map((x) => x * cosine));
        };
      },
      // Prototypes are stored as float32.
      { tolerance: 1e-6 },
    ));
});
