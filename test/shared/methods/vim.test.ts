import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector } from './fit-and-score.ts';
import {
  dot,
  expectOracle,
  jacobiEigenvectors,
  logSumExp,
  minus,
  norm,
  type Plain,
  scatter,
  solve,
  sum,
} from './naive.ts';
import { makeProblem } from './sample-problem.ts';

/** ‖Rᵀ(h − u)‖ with D principal dimensions. */
function residualNorm({ W, b, train }: Plain, dim: number) {
  // The shortest u with W·u = −b, for W of full row rank: −Wᵀ(W·Wᵀ)⁻¹·b.
  const y = solve(
    W.map((v) => W.map((w) => dot(v, w))),
    b,
  );
  const u = W[0]!.map((_, l) => -sum(W.map((w, c) => w[l]! * y[c]!)));
  const vectors = jacobiEigenvectors(
    scatter(
      train.map(({ h }) => h),
      () => u,
    ),
  );
  const R = vectors.slice(0, u.length - dim);
  return (h: readonly number[]) => norm(R.map((v) => dot(v, minus(h, u))));
}

const problem = makeProblem({ classes: 4, width: 10, trainRows: 300 });

describe('residual', () => {
  it.each([
    ['residual', 5],
    ['residual:dim=0', 0],
    ['residual:dim=9', 9],
  ])('%s is the norm outside the principal space', (spec, dim) =>
    expectOracle(
      spec,
      (plain) => {
        const residual = residualNorm(plain, dim);
        return ({ h }) => -residual(h);
      },
      { problem },
    ),
  );

  it('refuses as many dimensions as there are features', async () => {
    await expect(fitDetector(findDetector('residual:dim=10'), problem)).rejects.toThrow(
      /fewer than the 10 features/,
    );
  });
});

describe('vim', () => {
  it.each([
    ['vim', 5],
    ['vim:dim=2', 2],
  ])('%s subtracts the scaled residual norm from the energy', (spec, dim) =>
    expectOracle(
      spec,
      (plain) => {
        const residual = residualNorm(plain, dim);
        const { train } = plain;
        const alpha = sum(train.map(({ f }) => Math.max(...f))) / sum(train.map(({ h }) => residual(h)));
        return ({ h, f }) => logSumExp(f) - alpha * residual(h);
      },
      { problem },
    ),
  );

  it('finds the point of vanishing logits for more classes than features, and for repeated classes', async () => {
    const wide = makeProblem({ classes: 12, width: 5, trainRows: 200 });
    const { head } = wide;
    const { origin } = await fitDetector(findDetector('residual'), wide);
    // Least squares: the residual W·u + b is orthogonal to every column of W.
    const logits = [...head.bias].map(
      (b, c) => b + dot([...head.weight.subarray(c * 5, c * 5 + 5)], [...(origin!.data as Float64Array)]),
    );
    for (let l = 0; l < 5; l++) {
      expect(sum(logits.map((f, c) => f * head.weight[c * 5 + l]!))).toBeCloseTo(0, 9);
    }
    const repeated = makeProblem({ classes: 3, width: 6, trainRows: 200 });
    repeated.head.weight.copyWithin(6, 0, 6);
    repeated.head.bias[1] = repeated.head.bias[0]!;
    const { origin: u } = await fitDetector(findDetector('residual'), repeated);
    const first = dot([...repeated.head.weight.subarray(0, 6)], [...(u!.data as Float64Array)]);
    expect(first).toBeCloseTo(-repeated.head.bias[0]!, 9);
  });
});
