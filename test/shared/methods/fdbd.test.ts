import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector, scoreAll } from './fit-and-score.ts';
import { expectOracle, mean, minus, norm, sum } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

describe('fdbd', () => {
  it('is the mean distance to the decision boundaries over the distance to the mean', () =>
    expectOracle('fdbd', ({ W, train }) => {
      const mu = mean(train.map(({ h }) => h));
      return ({ h, f, predicted }) => {
        const others = W.map((_, k) => k).filter((k) => k !== predicted);
        const distances = others.map((k) => (f[predicted]! - f[k]!) / norm(minus(W[predicted]!, W[k]!)));
        return sum(distances) / others.length / norm(minus(h, mu));
      };
    }));

  it('counts classes with equal weights as no boundary, and stays finite at the mean itself', async () => {
    const problem = makeProblem();
    const { head } = problem;
    head.weight.copyWithin(head.width, 0, head.width);
    const detector = findDetector('fdbd');
    const tensors = await fitDetector(detector, problem);
    expect((tensors['inverse-distances']!.data as Float64Array)[1]).toBe(0);
    const zeroMean = { ...tensors, mean: { ...tensors.mean!, data: new Float64Array(head.width) } };
    const zeros = { rows: 1, features: new Float32Array(head.width), labels: Int32Array.of(-1) };
    const { score } = scoreAll(detector.prepare(head, zeroMean as typeof tensors), head, zeros);
    expect(score[0]).toSatisfy(Number.isFinite);
  });
});
