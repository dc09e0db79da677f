import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { countTop, findTop } from '../../../shared/methods/shaping/prune.ts';
import { fitDetector, scoreAll } from './fit-and-score.ts';
import { expectOracle, logits, logSumExp, sum } from './naive.ts';
import { makeProblem } from './sample-problem.ts';

/** Channels of the k largest activations. */
function topChannels(h: readonly number[], k: number): Set<number> {
  const order = h.map((_, l) => l).sort((i, j) => h[j]! - h[i]! || i - j);
  return new Set(order.slice(0, k));
}

const WIDTH = 24;
const kept = (p: number) => WIDTH - Math.round((p * WIDTH) / 100);

describe.each([60, 85, 90])('ASH at p = %i', (p) => {
  it('P zeroes all but the largest', () =>
    expectOracle(`ash-p:p=${p}`, ({ W, b }) => ({ h }) => {
      const top = topChannels(h, kept(p));
      return logSumExp(
        logits(
          W,
          b,
          h.map((x, l) => (top.has(l) ? x : 0)),
        ),
      );
    }));

  it('B gives the largest an equal share of the sum', () =>
    expectOracle(`ash-b:p=${p}`, ({ W, b }) => ({ h }) => {
      const top = topChannels(h, kept(p));
      return logSumExp(
        logits(
          W,
          b,
          h.map((_, l) => (top.has(l) ? sum(h) / kept(p) : 0)),
        ),
      );
    }));

  it('S scales the largest by exp(s1/s2)', () =>
    expectOracle(`ash-s:p=${p}`, ({ W, b }) => ({ h }) => {
      const top = topChannels(h, kept(p));
      const pruned = h.map((x, l) => (top.has(l) ? x : 0));
      const factor = Math.exp(sum(h) / sum(pruned));
      return logSumExp(
        logits(
          W,
          b,
          pruned.map((x) => x * factor),
        ),
      );
    }));

  it('SCALE scales everything', () =>
    expectOracle(`scale:p=${p}`, ({ W, b }) => ({ h }) => {
      const top = topChannels(h, kept(p));
      const factor = Math.exp(sum(h) / sum(h.filter((_, l) => top.has(l))));
      return logSumExp(
        logits(
          W,
          b,
          h.map((x) => x * factor),
        ),
      );
    }));
});

describe('pruning', () => {
  it.each([
    [10, 25, 8],
    [10, 35, 6],
    [10, 45, 6],
    [2, 25, 2],
    [6, 25, 4],
    [342, 90, 34],
  ])('keeps L − round(pL/100) of %i at p = %f: halves go to the even number', (width, percent, expected) => {
    expect(countTop('ash-p', width, percent)).toBe(expected);
  });

  it('gives ties to the lowest channels', () => {
    const features = Float32Array.of(9, 1, 2, 1, 1, 2);
    expect(findTop(features, 1, 5, 3, new Float64Array(5))).toEqual({
      total: 7,
      topTotal: 5,
      threshold: 1,
      ties: 1,
    });
  });

  it.each(['ash-s', 'scale'])('%s leaves a zero sample at the energy of the bias', async (id) => {
    const problem = makeProblem();
    const { head } = problem;
    const detector = findDetector(id);
    const scorer = detector.prepare(head, await fitDetector(detector, problem));
    const zeros = { rows: 1, features: new Float32Array(head.width), labels: Int32Array.of(-1) };
    expect(scoreAll(scorer, head, zeros).score[0]).toBeCloseTo(logSumExp([...head.bias]), 12);
  });

  it('stays finite for signed features whose largest nearly cancel', async () => {
    const problem = makeProblem({ width: 3 });
    const { head } = problem;
    const detector = findDetector('scale:p=30');
    const scorer = detector.prepare(head, await fitDetector(detector, problem));
    const signed = {
      rows: 1,
      features: Float32Array.of(1, -0.99999994, -30),
      labels: Int32Array.of(-1),
    };
    expect(scoreAll(scorer, head, signed).score[0]).toSatisfy(Number.isFinite);
  });

  it('refuses to keep nothing', async () => {
    const problem = makeProblem({ width: 2, trainRows: 40 });
    await expect(fitDetector(findDetector('ash-p:p=90'), problem)).rejects.toThrow(
      /leaves none of 2 activations/,
    );
  });
});
