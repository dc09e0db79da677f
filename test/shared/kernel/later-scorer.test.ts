import { expect, it } from 'vitest';
import type { ImageModel } from '../../../functions/http/service.ts';
import { prepareServing } from '../../../functions/runtime/load-serving.ts';
import type { DetectorContents } from '../../../shared/artifact/detector.ts';
import { compileKernel } from '../../../shared/kernel/kernel-module.ts';
import { prepareScorerLater } from '../../../shared/kernel/later-scorer.ts';
import { prepareScorer } from '../../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../../shared/methods/contract.ts';
import { fittedHimplos, randomFeatures, randomHead, randomPrototypes, seeded } from './heads.ts';

const ROWS = 9;
const random = seeded(4);
const head = randomHead(random, 10, 64);
const fitted = fittedHimplos(head, randomPrototypes(random, head));
const features = randomFeatures(random, ROWS, 64);

it('scores as a scorer that was prepared at once does, with and without a kernel', async () => {
  for (const kernel of [await compileKernel(), undefined]) {
    const [now, later] = [prepareScorer(fitted, kernel), prepareScorerLater(fitted, kernel)];
    expect(later.engine).toBe(now.engine);
    const [expected, got] = [allocateScores(ROWS), allocateScores(ROWS)];
    now.score(features, ROWS, expected);
    later.score(features, ROWS, got);
    expect(got).toEqual(expected);
  }
});

it('prepares nothing before it is used, and once then', () => {
  let prepared = 0;
  const prepare: typeof fitted.detector.prepare = (...given) => {
    prepared++;
    return fitted.detector.prepare(...given);
  };
  const scorer = prepareScorerLater({ ...fitted, detector: { ...fitted.detector, prepare } }, undefined);
  expect(prepared).toBe(0);
  scorer.score(features, ROWS, allocateScores(ROWS));
  scorer.score(features, ROWS, allocateScores(ROWS));
  expect(prepared).toBe(1);
});

it('throws at once for tensors that the method lacks', () => {
  expect(() => prepareScorerLater({ ...fitted, tensors: {} }, undefined)).toThrow();
});

it('is for methods alone that a graph scores: all others are prepared before their version serves', () => {
  const images = {} as ImageModel;
  for (const method of ['himplos', 'react', 'knn', 'vim']) {
    const document = { method, threshold: { gamma: 0 }, classNames: [] };
    const contents = { document, head, tensors: {}, calibrationScores: new Float64Array(1) };
    expect(() => prepareServing('v', contents as unknown as DetectorContents, undefined, images)).toThrow();
  }
});
