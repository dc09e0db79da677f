import { describe, expect, it } from 'vitest';
import { FLAG_NO_PROTOTYPE } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector, scoreAll } from './fit-and-score.ts';
import { dot, expectOracle, mean } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

describe('she', () => {
  it('multiplies by the mean of the correctly classified training rows', () => {
    const problem = makeProblem();
    // Some rows get a label the classifier does not give them.
    problem.train.labels.forEach((label, row) => {
      if (row % 5 === 0) problem.train.labels[row] = (label + 1) % 6;
    });
    return expectOracle(
      'she',
      ({ W, train }) => {
        const patterns = W.map((_, c) =>
          mean(train.filter(({ label, predicted }) => label === c && predicted === c).map(({ h }) => h)),
        );
        return ({ h, predicted }) => dot(h, patterns[predicted]!);
      },
      { problem },
    );
  });

  it('flags what is predicted as a class without correct training rows', async () => {
    const problem = makeProblem();
    const { head, train, id } = problem;
    train.labels.forEach((label, row) => {
      if (label === 2) train.labels[row] = 3;
    });
    const detector = findDetector('she');
    const { score, flags, predicted } = scoreAll(
      detector.prepare(head, await fitDetector(detector, problem)),
      head,
      id,
    );
    expect(predicted.includes(2)).toBe(true);
    predicted.forEach((c, row) => {
      expect(flags[row]).toBe(c === 2 ? FLAG_NO_PROTOTYPE : 0);
      if (c === 2) expect(score[row]).toBe(0);
    });
  });
});
