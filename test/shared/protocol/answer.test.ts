import { describe, expect, it } from 'vitest';
import { explainSample } from '../../../shared/kernel/explain.ts';
import { prepareTwin } from '../../../shared/kernel/prepare-scorer.ts';
import { allocateScores, FLAG_NO_PROTOTYPE, FLAG_ZERO_FEATURE } from '../../../shared/methods/contract.ts';
import { makeAnswer } from '../../../shared/protocol/answer.ts';
import { fittedHimplos, randomFeatures, randomHead, randomPrototypes, seeded } from '../kernel/heads.ts';

describe('answers', () => {
  const context = {
    version: 'v',
    method: 'm',
    gamma: 2,
    classNames: ['a', 'b'],
    calibrationScores: Float64Array.of(1, 2, 3, 4),
  };
  const scores = {
    score: Float64Array.of(2, 1.5, 0, 9),
    predicted: Int32Array.of(0, 1, 1, 0),
    cosine: Float64Array.of(0.5, Number.NaN, 0, 0),
    flags: Uint8Array.of(0, 0, FLAG_NO_PROTOTYPE, FLAG_ZERO_FEATURE),
  };

  it('decide by γ, ties in, and by flags whatever the score', () => {
    const { results } = makeAnswer(context, scores, 4);
    expect(results.map(({ decision }) => decision)).toEqual(['id', 'ood', 'ood', 'ood']);
    expect(results.map(({ p_value }) => p_value)).toEqual([3 / 5, 2 / 5, 1 / 5, 1]);
    expect(results.map(({ cosine }) => cosine)).toEqual([0.5, null, 0, 0]);
    expect(results.map(({ warnings }) => warnings)).toEqual([[], [], ['no_prototype'], ['zero_features']]);
    expect(results.map(({ predicted_name }) => predicted_name)).toEqual(['a', 'b', 'b', 'a']);
    expect(results.every((result) => !('fdr_ood' in result))).toBe(true);
  });

  it('decide by Benjamini and Hochberg where asked to', () => {
    // p = 3/5, 2/5, 1/5, 1: the smallest is called at q = 4/5, the three smallest from q = 4/5 on.
    const called = (q: number) => makeAnswer(context, scores, 4, q).results.map(({ fdr_ood }) => fdr_ood);
    expect(called(0.79)).toEqual([false, false, false, false]);
    expect(called(0.81)).toEqual([true, true, true, false]);
  });

  it('call not-a-number out-of-distribution', () => {
    const broken = { ...scores, score: Float64Array.of(Number.NaN) };
    expect(makeAnswer(context, broken, 1).results[0]!.decision).toBe('ood');
  });
});

describe('explanations', () => {
  it('end in the score, count what was masked and clipped, and name the strongest channels', () => {
    const random = seeded(4);
    const head = randomHead(random, 6, 30);
    for (const rest of ['', ',smoothing=enhance:5', ',smoothing=none']) {
      const fitted = fittedHimplos(head, randomPrototypes(random, head), { rest });
      const h = randomFeatures(random, 1, 30);
      const scores = allocateScores(1);
      prepareTwin(fitted).score(h, 1, scores);
      const masked = fitted.detector.maskedHead!(head, fitted.tensors);
      const predicted = scores.predicted[0]!;
      const { energy, ...counts } = explainSample(head, masked, h, predicted, scores.cosine[0]!);
      expect(energy.smoothed ?? energy.clipped).toBeCloseTo(scores.score[0]!, 9);
      const isKept = (l: number) => (masked.mask![predicted * 4 + (l >> 3)]! >> (l & 7)) & 1;
      expect(counts.masked_channels).toBe(h.filter((value, l) => value !== 0 && !isKept(l)).length);
      expect(counts.clipped_channels).toBe(h.filter((value, l) => value > 1 && isKept(l)).length);
      const contributions = Array.from(h, (value, l) => value * head.weight[predicted * 30 + l]!);
      expect(counts.top_channels[0]!.contribution).toBe(Math.max(...contributions));
    }
  });
});
