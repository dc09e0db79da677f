import { beforeAll, describe, expect, it } from 'vitest';
import { HimplosError } from '../../../shared/errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { argmax } from '../../../shared/maths/logit-sums.ts';
import type { Head, Scores } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { measureSeparation } from '../../../shared/metrics/separation.ts';
import type { Tensor, Tensors } from '../../../shared/tensor.ts';
import { shuffledIndices } from '../random.ts';
import { fitDetector, fitInShards, logitsOf, scoreAll } from './fit-and-score.ts';
import { scoreWithGraph } from './graph-runner.ts';
import { type LabelledFeatures, makeProblem, type Problem } from './sample-problem.ts';

/**
 * What every method must keep to, whatever it computes; its own formula is for its own test.
 * @param tolerance how far scores may differ, relative to max(1, |S|), where sums run in another order or in float32
 */
export function describeMethodContract(spec: string, { tolerance = 1e-5 } = {}): void {
  const detector = findDetector(spec);
  const problem = makeProblem();
  const { head, train, calibration, id, ood } = problem;
  let fitted: Tensors;
  const scored = (rows: LabelledFeatures) => scoreAll(detector.prepare(head, fitted), head, rows);

  describe(`method ${spec}`, () => {
    beforeAll(async () => {
      fitted = await fitDetector(detector, problem);
    });

    it('has a canonical spec that names the same detector', () => {
      expect(findDetector(detector.spec).spec).toBe(detector.spec);
    });

    it('gives finite scores, and the argmax of the original logits', () => {
      const { score, predicted, flags } = scored(id);
      expect(score.every(Number.isFinite)).toBe(true);
      const logits = logitsOf(head, id.features, id.rows);
      const expected = Int32Array.from(predicted, (_, row) =>
        argmax(logits, row * head.classes, head.classes),
      );
      expect(predicted).toEqual(expected);
      expect(flags.every((flag) => flag === 0)).toBe(true);
    });

    it('scores in-distribution data higher', () => {
      const { auroc } = measureSeparation(scored(id).score, scored(ood).score);
      expect(auroc).toBeGreaterThan(0.6);
    });

    it('fits and scores the same twice, from portions of any size, in shards of any cut', async () => {
      expect(encodeSafetensors(await fitDetector(detector, problem, 1000))).toEqual(
        encodeSafetensors(fitted),
      );
      expect(encodeSafetensors(await fitDetector(detector, problem, 7))).toEqual(encodeSafetensors(fitted));
      for (const cuts of [[0.5], [0.17, 0.34, 0.51, 0.67, 0.84]]) {
        expect(encodeSafetensors(await fitInShards(detector, problem, cuts))).toEqual(
          encodeSafetensors(fitted),
        );
      }
      expect(scored(id)).toEqual(scored(id));
    });

    it('leaves its input alone', async () => {
      const before = structuredClone(problem);
      await fitDetector(detector, problem);
      const logits = logitsOf(head, id.features, id.rows);
      const logitsBefore = logits.slice();
      const tensorsBefore = encodeSafetensors(fitted);
      const out = scored(id);
      detector.prepare(head, fitted).score(id.features, logits, id.rows, out);
      expect(problem).toEqual(before);
      expect(logits).toEqual(logitsBefore);
      expect(encodeSafetensors(fitted)).toEqual(tensorsBefore);
    });

    it('survives the bytes of a file', () => {
      const { tensors } = decodeSafetensors(encodeSafetensors(fitted));
      expect(scoreAll(detector.prepare(head, tensors), head, id)).toEqual(scored(id));
    });

    it('scores a batch as it scores one by one, and on one scorer after other rows', () => {
      const scorer = detector.prepare(head, fitted);
      const whole = scoreAll(scorer, head, id);
      expect(scoreAll(scorer, head, id, 1)).toEqual(whole);
      expect(scoreAll(scorer, head, id, 37)).toEqual(whole);
    });

    it('refuses tensors that are missing or of another type or shape', () => {
      for (const [name, tensor] of Object.entries(fitted)) {
        for (const wrong of spoil(tensor)) {
          const { [name]: _, ...others } = fitted;
          const spoilt: Tensors = wrong === undefined ? others : { ...others, [name]: wrong };
          expect(() => detector.prepare(head, spoilt), `${name} ${wrong?.dtype} [${wrong?.shape}]`).toThrow(
            expect.objectContaining({ code: 'bad-artifact' }),
          );
        }
      }
    });

    it('does not depend on the order of training rows', async () => {
      const permuted = {
        ...problem,
        train: permuteRows(train, head.width),
        calibration: permuteRows(calibration, head.width),
      };
      const tensors = await fitDetector(detector, permuted);
      expectClose(scoreAll(detector.prepare(head, tensors), head, id), scored(id), tolerance);
    });

    it('does not depend on the order of channels', async () => {
      const permuted = permuteChannels(problem);
      const tensors = await fitDetector(detector, permuted);
      const scores = scoreAll(detector.prepare(permuted.head, tensors), permuted.head, permuted.id);
      expectClose(scores, scored(id), tolerance);
    });

    it.each(Object.entries(degenerateProblems()))(
      'gives a number or a clear error for %s',
      async (_, odd) => {
        await expectDefined(async () => {
          const tensors = await fitDetector(detector, odd);
          const scorer = detector.prepare(odd.head, tensors);
          return [scoreAll(scorer, odd.head, odd.id), scoreAll(scorer, odd.head, odd.ood)];
        });
      },
    );

    it.skipIf(detector.graph === undefined)(
      'scores the same as standard ONNX operators (needs a method with a closed graph)',
      async () => {
        for (const rows of [id, ood, zeroRows(head)]) {
          const own = scored(rows);
          const graph = await scoreWithGraph(detector, head, fitted, rows.features, rows.rows);
          expectClose({ ...own, score: graph.score }, own, tolerance);
          if (graph.cosine === undefined) continue;
          graph.cosine.forEach((cosine, row) => {
            expect(cosine).toBeCloseTo(own.cosine[row]!, 6);
          });
        }
      },
    );
  });
}

/** Tensors that must not be taken for this one: none at all, one with an axis more, another type, one value more. */
function spoil(tensor: Tensor): (Tensor | undefined)[] {
  const longer = [...tensor.data, ...tensor.data.slice(0, 1)] as number[];
  return [
    undefined,
    { ...tensor, shape: [...tensor.shape, 1] },
    { dtype: 'I32', data: Int32Array.from(tensor.data as ArrayLike<number>, Number), shape: tensor.shape },
    tensor.dtype === 'F64'
      ? { dtype: 'F64', data: Float64Array.from(longer), shape: [longer.length, 1, 1] }
      : { dtype: 'F32', data: Float32Array.from(longer, Number), shape: [longer.length, 1, 1] },
  ];
}

/** Data at the edge of what a method can mean. */
function degenerateProblems(): Record<string, Problem> {
  const problem = makeProblem();
  const { head, train } = problem;
  const perClass = Array.from({ length: head.classes }, (_, c) => train.labels.indexOf(c));
  return {
    'two classes': makeProblem({ classes: 2, trainRows: 150 }),
    'one channel': makeProblem({ width: 1, trainRows: 150 }),
    'one image a class': { ...problem, train: takeRows(train, head.width, perClass) },
    'a class without images': {
      ...problem,
      train: takeRows(
        train,
        head.width,
        [...train.labels.keys()].filter((row) => train.labels[row] !== 2),
      ),
    },
    'all-zero features': { ...problem, train: zeroRows(head), calibration: zeroRows(head) },
    'all-zero rows to score': { ...problem, id: zeroRows(head) },
    'one row again and again': {
      ...problem,
      train: takeRows(
        train,
        head.width,
        Array.from({ length: 300 }, () => 3),
      ),
    },
    'large activations': {
      ...problem,
      id: { ...problem.id, features: problem.id.features.map((h) => h * 1e6) },
    },
  };
}

function zeroRows({ width }: Head): LabelledFeatures {
  return {
    rows: 12,
    features: new Float32Array(12 * width),
    labels: Int32Array.from({ length: 12 }, (_, i) => i % 2),
  };
}

function takeRows(
  { features, labels }: LabelledFeatures,
  width: number,
  rows: readonly number[],
): LabelledFeatures {
  const taken = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    taken.set(features.subarray(row * width, (row + 1) * width), i * width);
  });
  return { rows: rows.length, features: taken, labels: Int32Array.from(rows, (row) => labels[row]!) };
}

function permuteRows(source: LabelledFeatures, width: number): LabelledFeatures {
  return takeRows(source, width, shuffledIndices(source.rows, 5));
}

function permuteChannels({ head, train, calibration, id, ood }: Problem): Problem {
  const order = shuffledIndices(head.width, 6);
  const permute = (matrix: Float32Array) =>
    matrix.map((_, i) => matrix[i - (i % head.width) + order[i % head.width]!]!);
  const permuted = (source: LabelledFeatures) => ({ ...source, features: permute(source.features) });
  return {
    head: { ...head, weight: permute(head.weight) },
    train: permuted(train),
    calibration: permuted(calibration),
    id: permuted(id),
    ood: permuted(ood),
  };
}

function expectClose(got: Scores, expected: Scores, tolerance: number): void {
  expect(got.predicted).toEqual(expected.predicted);
  got.score.forEach((score, row) => {
    const wanted = expected.score[row]!;
    expect(Math.abs(score - wanted), `row ${row}: ${score} instead of ${wanted}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(wanted)),
    );
  });
}

/** Either finite scores, or a known error that says what to do. */
async function expectDefined(action: () => Promise<Scores[]>): Promise<void> {
  try {
    for (const { score } of await action()) {
      expect(score.findIndex((value) => !Number.isFinite(value))).toBe(-1);
    }
  } catch (error) {
    if (!(error instanceof HimplosError)) throw error;
    expect(error.hint).toBeTruthy();
  }
}
