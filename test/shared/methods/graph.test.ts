import { expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector, scoreAll } from './fit-and-score.ts';
import { scoreWithGraph } from './graph-runner.ts';
import { makeProblem } from './sample-problem.ts';

const problem = makeProblem({ classes: 5, width: 19, trainRows: 300, seed: 3 });

// A user's model keeps its own opset when a detector's nodes join it.
it.each([
  ['himplos', 9],
  ['himplos', 11],
  ['himplos', 13],
  ['himplos:smoothing=enhance:20,score=maxlogit', 9],
  ['himplos:score=odin', 9],
  ['energy', 9],
  ['cosine', 9],
])('%s has a graph that opset %i knows', async (spec, opset) => {
  const detector = findDetector(spec);
  const tensors = await fitDetector(detector, problem);
  const { features, rows } = problem.id;
  const graph = await scoreWithGraph(detector, problem.head, tensors, features, rows, opset);
  const own = scoreAll(detector.prepare(problem.head, tensors), problem.head, problem.id);
  graph.score.forEach((score, row) => {
    const wanted = own.score[row]!;
    expect(Math.abs(score - wanted)).toBeLessThan(1e-5 * Math.max(1, Math.abs(wanted)));
  });
});

it('the energy of logits in the thousands is finite in the graph too', async () => {
  const head = { ...problem.head, weight: problem.head.weight.map((value) => value * 1e4) };
  const { features, rows } = problem.id;
  const { score } = await scoreWithGraph(findDetector('energy'), head, {}, features, rows);
  const own = scoreAll(findDetector('energy').prepare(head, {}), head, problem.id);
  expect(Math.max(...own.score)).toBeGreaterThan(1000);
  score.forEach((value, row) => {
    expect(Math.abs(value - own.score[row]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(own.score[row]!)));
  });
});
