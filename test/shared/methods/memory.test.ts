import { describe, expect, it } from 'vitest';
import { allocateScores, type Head } from '../../../shared/methods/contract.ts';
import { findDetector, methods } from '../../../shared/methods/registry.ts';
import { fitDetector, logitsOf } from './fit-and-score.ts';
import { makeProblem } from './sample-problem.ts';

const problem = makeProblem({ classes: 40, width: 64, trainRows: 400 });
const { head, train } = problem;
// A temperature needs mistakes.
problem.calibration.labels[0] = (problem.calibration.labels[0]! + 1) % head.classes;

describe('memory', () => {
  it.each(methods.map(({ id }) => id))(
    '%s needs no samples × classes × channels while it scores',
    async (id) => {
      const detector = findDetector(id);
      const scorer = detector.prepare(head, await fitDetector(detector, problem));
      const rows = 4 * train.rows;
      const features = repeat(train.features, 4);
      const logits = logitsOf(head, features, rows);
      const out = allocateScores(rows);
      scorer.score(features, logits, 1, out);
      // Memory that is given up again is still counted, unless the collector happens to run: less, never more.
      const before = process.memoryUsage().arrayBuffers;
      scorer.score(features, logits, rows, out);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(temporaryBytes(head, rows) / 10);
    },
  );
});

describe('fits that would need too much memory', () => {
  it.each([
    ['mahalanobis', 30_000, 2],
    ['rmds', 30_000, 2],
    ['vim', 30_000, 2],
    ['residual', 30_000, 2],
    ['fdbd', 2, 30_000],
    ['kl-matching', 2, 30_000],
    ['knn', 30_000, 2],
    ['nnguide', 30_000, 2],
  ])('%s refuses before it allocates', (id, width, classes) => {
    const wide: Head = {
      classes,
      width,
      weight: new Float32Array(classes * width),
      bias: new Float32Array(classes),
    };
    const fit = findDetector(id).fit({ head: wide, trainRows: 1_000_000, warn: () => {} });
    expect(() => fit.next()).toThrow(expect.objectContaining({ code: 'too-large' }));
  });
});

function temporaryBytes({ classes, width }: Head, rows: number): number {
  return rows * classes * width * 8;
}

function repeat(values: Float32Array, times: number): Float32Array {
  const out = new Float32Array(values.length * times);
  for (let i = 0; i < times; i++) out.set(values, i * values.length);
  return out;
}
