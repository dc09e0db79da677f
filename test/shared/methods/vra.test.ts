import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector } from './fit-and-score.ts';
import { scoreWithGraph } from './graph-runner.ts';
import { expectOracle, logits, logSumExp, percentile } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

/** Zero below a, clipped above b. */
function rectify(h: readonly number[], a: (l: number) => number, b: (l: number) => number): number[] {
  return h.map((x, l) => (x < a(l) ? 0 : Math.min(x, b(l))));
}

describe('vra', () => {
  it('takes bounds from the quantiles of each channel', () =>
    expectOracle('vra:low=40,high=92.5', ({ W, b, train }) => {
      const bounds = W[0]!.map((_, l) => {
        const values = train.map(({ h }) => h[l]!);
        return [percentile(values, 40), percentile(values, 92.5)] as const;
      });
      return ({ h }) =>
        logSumExp(
          logits(
            W,
            b,
            rectify(
              h,
              (l) => bounds[l]![0],
              (l) => bounds[l]![1],
            ),
          ),
        );
    }));

  it('takes bounds from the quantiles of all activations', () =>
    expectOracle('vra:mode=global', ({ W, b, train }) => {
      const all = train.flatMap(({ h }) => h);
      const [low, high] = [percentile(all, 60), percentile(all, 95)];
      return ({ h }) =>
        logSumExp(
          logits(
            W,
            b,
            rectify(
              h,
              () => low,
              () => high,
            ),
          ),
        );
    }));

  it('zeroes below a number instead of clipping', () =>
    expectOracle('vra:mode=absolute,a=0.3,b=1.5', ({ W, b }) => ({ h }) => {
      return logSumExp(
        logits(
          W,
          b,
          rectify(
            h,
            () => 0.3,
            () => 1.5,
          ),
        ),
      );
    }));

  it('refuses bounds in the wrong order', () => {
    expect(() => findDetector('vra:low=90,high=60')).toThrow(/expected low not above high/);
    expect(() => findDetector('vra:mode=absolute,a=2')).toThrow(/expected a not above b/);
  });

  it('zeroes the same activations in the graph when the bound is no float32', async () => {
    const problem = makeProblem();
    const { head } = problem;
    const detector = findDetector('vra:mode=absolute,a=0.1,b=5');
    const tensors = await fitDetector(detector, problem);
    // 0.1 rounds up to float32, and the float32 below it must become zero, that one stay.
    const bits = new Int32Array(Float32Array.of(0.1).buffer);
    const features = new Float32Array(2 * head.width);
    features.fill(new Float32Array(Int32Array.of(bits[0]! - 1).buffer)[0]!, 0, head.width);
    features.fill(Math.fround(0.1), head.width);
    const { score } = await scoreWithGraph(detector, head, tensors, features, 2);
    expect(score[0]).toBeCloseTo(logSumExp([...head.bias]), 5);
    expect(score[1]).not.toBeCloseTo(logSumExp([...head.bias]), 3);
  });
});
