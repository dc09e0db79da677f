import { describe, expect, it } from 'vitest';
import { quantile } from '../../../shared/maths/quantile.ts';
import {
  FLAG_NEGATIVE_COSINE,
  FLAG_NO_PROTOTYPE,
  FLAG_ZERO_FEATURE,
  type Head,
} from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { runFit } from '../../../shared/statistics/run-fit.ts';
import { fitDetector, portions, scoreAll } from './fit-and-score.ts';
import { type LabelledFeatures, makeProblem } from './sample-problem.ts';

/** A setting in the oracle's words. */
interface Setting {
  readonly p: number;
  readonly lambda: number;
  readonly smoothing: 'none' | 'scale' | { readonly alpha: number };
  readonly score: 'energy' | 'msp' | 'maxlogit' | 'odin';
}

const problem = makeProblem({ classes: 5, width: 23, trainRows: 400, seed: 9 });
const lambda95 = quantile(problem.train.features, 0.95);

describe('himplos', () => {
  it.each<[string, Setting]>([
    ['himplos', { p: 50, lambda: lambda95, smoothing: 'scale', score: 'energy' }],
    ['himplos:mask=30,clip=1.0', { p: 30, lambda: 1, smoothing: 'scale', score: 'energy' }],
    ['himplos:mask=none', { p: 0, lambda: lambda95, smoothing: 'scale', score: 'energy' }],
    ['himplos:clip=none', { p: 50, lambda: Infinity, smoothing: 'scale', score: 'energy' }],
    ['himplos:smoothing=none', { p: 50, lambda: lambda95, smoothing: 'none', score: 'energy' }],
    ['himplos:smoothing=enhance:20', { p: 50, lambda: lambda95, smoothing: { alpha: 20 }, score: 'energy' }],
    ['himplos:score=msp', { p: 50, lambda: lambda95, smoothing: 'scale', score: 'msp' }],
    ['himplos:score=maxlogit', { p: 50, lambda: lambda95, smoothing: 'scale', score: 'maxlogit' }],
    ['himplos:mask=90,score=odin', { p: 90, lambda: lambda95, smoothing: 'scale', score: 'odin' }],
    [
      'himplos:mask=none,clip=none,smoothing=none',
      { p: 0, lambda: Infinity, smoothing: 'none', score: 'energy' },
    ],
  ])('%s follows the equations', async (spec, setting) => {
    const detector = findDetector(spec);
    const scorer = detector.prepare(problem.head, await fitDetector(detector, problem));
    for (const set of [problem.id, problem.ood]) {
      const { score } = scoreAll(scorer, problem.head, set);
      const expected = slowScores(problem.head, problem.train, set, setting);
      // Prototypes are stored as float32.
      score.forEach((s, row) => {
        expect(Math.abs(s - expected[row]!)).toBeLessThan(2e-7 * Math.max(1, Math.abs(expected[row]!)));
      });
    }
  });

  it('without any of its parts is exactly energy', async () => {
    const bare = findDetector('himplos:mask=none,clip=none,smoothing=none');
    const energy = findDetector('energy');
    expect(await fitDetector(bare, problem)).toEqual({});
    const score = (detector: typeof bare) =>
      scoreAll(detector.prepare(problem.head, {}), problem.head, problem.ood).score;
    expect(score(bare)).toEqual(score(energy));
  });

  it('takes λ and prototypes from the training rows alone', async () => {
    const detector = findDetector('himplos');
    const { calibration } = problem;
    const other = {
      ...problem,
      calibration: { ...calibration, features: calibration.features.map((h) => h * 7) },
    };
    expect(await fitDetector(detector, other)).toEqual(await fitDetector(detector, problem));
  });

  it('stores masks as bits, lowest channel first, ties at the last place to the lowest channels', async () => {
    const head: Head = {
      classes: 2,
      width: 9,
      weight: Float32Array.of(5, -9, 1, 1, 1, 0, 0, 0, 2, /* class 1 */ 0, 0, 0, 0, 0, 0, 0, 0, 0),
      bias: new Float32Array(2),
    };
    const detector = findDetector('himplos:mask=55,clip=none,smoothing=none');
    const { mask } = await fitDetector(detector, { ...problem, head });
    // k = ⌊9 · 0.45 + 0.5⌋ = 4
    expect(mask).toEqual({
      dtype: 'U8',
      shape: [2, 2],
      data: Uint8Array.of(0b00001101, 0b1, 0b00001111, 0b0),
    });
  });

  it('refuses a mask that leaves nothing', async () => {
    await expect(fitDetector(findDetector('himplos:mask=99'), problem)).rejects.toThrow(
      /leaves none of 23 channels/,
    );
  });

  it('flags samples whose cosine says nothing', async () => {
    const head: Head = {
      classes: 2,
      width: 2,
      weight: Float32Array.of(1, 0, 0, 1),
      bias: new Float32Array(2),
    };
    const train = { rows: 1, features: Float32Array.of(-2, -2), labels: Int32Array.of(0) };
    const detector = findDetector('himplos:mask=none,clip=none');
    const warnings: string[] = [];
    const tensors = await runFit(detector, {
      head,
      totalRows: { train: 1, calibration: 0 },
      openPass: () => portions(train, 2, 10),
      warn: (sentence) => warnings.push(sentence),
    });
    expect(warnings).toEqual([expect.stringMatching(/1 of 2 classes have no training rows.*: 1\./)]);
    const samples = Float32Array.of(0, 0, 3, 1, 1, 3, -1, -2, 1, -1);
    const { score, cosine, flags, predicted } = scoreAll(detector.prepare(head, tensors), head, {
      rows: 5,
      features: samples,
      labels: new Int32Array(5),
    });
    expect([...predicted]).toEqual([0, 0, 1, 0, 0]);
    expect([...flags]).toEqual([
      FLAG_ZERO_FEATURE,
      FLAG_NEGATIVE_COSINE,
      FLAG_NO_PROTOTYPE,
      0,
      FLAG_NEGATIVE_COSINE,
    ]);
    expect([...cosine]).toEqual([
      0,
      expect.closeTo(-4 / Math.sqrt(20), 12),
      0,
      expect.closeTo(3 / Math.sqrt(10), 12),
      0,
    ]);
    expect(score[0]).toBeCloseTo(Math.log(2), 12);
    expect(score[2]).toBeCloseTo(detector.collapsedScore!(head), 12);
    // A negative cosine turns the logits round: the score stays as the formula has it.
    expect(score[1]).toBeCloseTo(Math.log(Math.exp(3 * cosine[1]!) + Math.exp(cosine[1]!)), 12);
  });

  it('warns where a part has no effect', async () => {
    const warnings: string[] = [];
    for (const spec of ['himplos:smoothing=enhance:5,score=msp', 'himplos:smoothing=none,clip=p0']) {
      await runFit(findDetector(spec), {
        head: problem.head,
        totalRows: { train: problem.train.rows, calibration: 0 },
        openPass: () => portions(problem.train, problem.head.width, 100),
        warn: (sentence) => warnings.push(sentence),
      });
    }
    expect(warnings).toEqual([expect.stringMatching(/has no effect/), expect.stringMatching(/λ is 0/)]);
  });
});

/** The paper's equations word for word, in nested loops. */
function slowScores(head: Head, train: LabelledFeatures, set: LabelledFeatures, setting: Setting): number[] {
  const { classes, width } = head;
  const weightOf = (c: number) => [...head.weight.subarray(c * width, (c + 1) * width)];
  const rowsOf = ({ rows, features }: LabelledFeatures) =>
    Array.from({ length: rows }, (_, i) => [...features.subarray(i * width, (i + 1) * width)]);
  const product = (a: number[], b: number[]) => a.reduce((sum, x, l) => sum + x * b[l]!, 0);
  const logitsOf = (h: number[]) =>
    Array.from({ length: classes }, (_, c) => product(weightOf(c), h) + head.bias[c]!);
  const trainRows = rowsOf(train);

  return rowsOf(set).map((h) => {
    const logits = logitsOf(h);
    const predicted = logits.indexOf(Math.max(...logits));
    const k = Math.floor((width * (100 - setting.p)) / 100 + 0.5);
    const kept = weightOf(predicted)
      .map((w, l) => ({ w, l }))
      .sort((a, b) => b.w - a.w || a.l - b.l)
      .slice(0, k)
      .map(({ l }) => l);
    const shaped = h.map((x, l) => Math.min(kept.includes(l) ? x : 0, setting.lambda));
    const members = trainRows.filter((_, i) => train.labels[i] === predicted);
    const prototype = h.map((_, l) => members.reduce((sum, row) => sum + row[l]!, 0) / members.length);
    const s = product(h, prototype) / Math.sqrt(product(h, h) * product(prototype, prototype));
    const { smoothing } = setting;
    const smoothed = logitsOf(shaped).map((f) => {
      if (smoothing === 'none') return f;
      return smoothing === 'scale' ? f * s : f + smoothing.alpha * s;
    });
    const maxSoftmax = (values: number[]) => {
      const powers = values.map(Math.exp);
      return Math.max(...powers) / powers.reduce((a, b) => a + b);
    };
    if (setting.score === 'energy') return Math.log(smoothed.reduce((sum, f) => sum + Math.exp(f), 0));
    if (setting.score === 'maxlogit') return Math.max(...smoothed);
    return maxSoftmax(setting.score === 'msp' ? smoothed : smoothed.map((f) => f / 1000));
  });
}
