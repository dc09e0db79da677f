import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { buildHeadModel } from '../../../calibrate/onnx/fused-graph.ts';
import { compileKernel, type KernelModule } from '../../../shared/kernel/kernel-module.ts';
import { type FittedDetector, prepareScorer, prepareTwin } from '../../../shared/kernel/prepare-scorer.ts';
import { allocateScores, type Scores } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { hasRealData, needsData } from '../../real-data.ts';
import { cifarHead, cifarPrototypes } from './cifar.ts';
import {
  cifarFeatures,
  fittedHimplos,
  randomFeatures,
  randomHead,
  randomPrototypes,
  seeded,
} from './heads.ts';

describe.each(['relaxed-simd', 'simd'] as const)('the kernel with %s', (kind) => {
  let module: KernelModule;
  beforeAll(async () => {
    module = (await compileKernel([kind]))!;
    expect(module.kind).toBe(kind);
  });

  /** Scores of the kernel beside those of the float64 twin, with γ at the 5 % quantile of the latter. */
  function compare(fitted: FittedDetector, features: Float32Array, rows: number): Scores {
    const kernel = prepareScorer(fitted, module);
    expect(kernel.engine).toBe(kind);
    const got = allocateScores(rows);
    kernel.score(features, rows, got);
    const expected = allocateScores(rows);
    prepareTwin(fitted).score(features, rows, expected);
    const gamma = expected.score.toSorted()[Math.floor(rows / 20)]!;
    expect(got.predicted).toEqual(expected.predicted);
    expect(got.flags).toEqual(expected.flags);
    for (let row = 0; row < rows; row++) {
      const score = expected.score[row]!;
      expect(Math.abs(got.score[row]! - score)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(score)));
      if (Number.isNaN(expected.cosine[row]!)) expect(got.cosine[row]).toBeNaN();
      else expect(got.cosine[row]).toBeCloseTo(expected.cosine[row]!, 10);
      // γ lies on a score; every other row must be on the side it belongs to.
      if (score !== gamma) expect(got.score[row]! >= gamma).toBe(score >= gamma);
    }
    for (const count of [1, 4, 5]) {
      expectSameWhenDeferred(fitted, features.subarray(0, count * fitted.head.width), got);
    }
    return got;
  }

  /** A scorer that has not made its copies of W gives the same bits, then and when it has; it makes them when it should. */
  function expectSameWhenDeferred(fitted: FittedDetector, features: Float32Array, expected: Scores): void {
    const rows = features.length / fitted.head.width;
    if (expected.score.length < rows) return;
    const isMasked = fitted.detector.maskedHead !== undefined;
    for (const isFinished of [false, true]) {
      const counted = countCopies();
      const deferred = prepareScorer(fitted, module, { isDeferred: true });
      const got = allocateScores(rows);
      for (const call of ['first', 'second']) {
        if (call === 'second' && isFinished) deferred.finish?.();
        deferred.score(features, rows, got);
        expect(counted.copies).toBe(Number(isMasked && (call === 'second' || rows > 4)));
        for (const key of ['score', 'predicted', 'cosine', 'flags'] as const) {
          expect(got[key]).toEqual(expected[key].subarray(0, rows));
          got[key].fill(-1);
        }
      }
      vi.unstubAllGlobals();
    }
  }

  /** Counts how often instances that are made from now on make copies. */
  function countCopies(): { copies: number } {
    const counted = { copies: 0 };
    const { Instance, Memory } = WebAssembly;
    class Counting {
      readonly exports: object;
      constructor(source: WebAssembly.Module, imports: WebAssembly.Imports) {
        const { exports } = new Instance(source, imports);
        const deriveCopies = () => {
          counted.copies++;
          (exports.deriveCopies as () => void)();
        };
        this.exports = { ...exports, deriveCopies };
      }
    }
    vi.stubGlobal('WebAssembly', { Instance: Counting, Memory });
    return counted;
  }

  it.each([10, 50, 90])('scores a 2048 × 1000 head at p = %i as float64 does', (mask) => {
    const random = seeded(mask);
    const head = randomHead(random, 1000, 2048);
    const rows = 70;
    compare(
      fittedHimplos(head, randomPrototypes(random, head), { mask }),
      randomFeatures(random, rows, 2048),
      rows,
    );
  });

  it.each([
    '',
    ',smoothing=none',
    ',smoothing=enhance:20',
    ',score=msp',
    ',score=maxlogit',
    ',score=odin',
    ',smoothing=none,score=odin:10',
    ',smoothing=enhance:5,score=maxlogit',
  ])('scores heads of awkward sizes%s as float64 does', (rest) => {
    for (const [classes, width, mask] of [
      [1, 1, 0],
      [2, 3, 30],
      [7, 17, 50],
      [9, 130, 0],
      [13, 257, 20],
      [101, 127, 85],
    ] as const) {
      const random = seeded(classes * 1000 + width);
      const head = randomHead(random, classes, width);
      const fitted = fittedHimplos(head, randomPrototypes(random, head), { mask, rest });
      compare(fitted, randomFeatures(random, 67, width), 67);
    }
  });

  it.each(['energy', 'msp', 'maxlogit', 'odin'])('gives %s its logits', (spec) => {
    const random = seeded(5);
    const head = randomHead(random, 21, 75);
    const detector = findDetector(spec);
    compare({ detector, head, tensors: {} }, randomFeatures(random, 40, 75), 40);
  });

  it('takes signed, constant, tiny and zero features', () => {
    const random = seeded(6);
    const [classes, width] = [11, 50];
    const head = randomHead(random, classes, width);
    const features = Float32Array.from({ length: 6 * width }, (_, i) => {
      const row = Math.floor(i / width);
      return [random.normal(), 0.5, -0.25, 1e-30 * random.normal(), 1e-42, 0][row]!;
    });
    const prototypes = randomPrototypes(random, head);
    prototypes.fill(0, 3 * width, 4 * width);
    const got = compare(fittedHimplos(head, prototypes), features, 6);
    expect(got.flags[5]).not.toBe(0);
  });

  it('hands features that float32 sums cannot hold to the twin', () => {
    const random = seeded(7);
    const head = randomHead(random, 12, 40);
    const features = randomFeatures(random, 3, 40);
    for (let l = 0; l < 40; l++) features[40 + l]! *= 1e36;
    for (const mask of [0, 50]) {
      const got = compare(fittedHimplos(head, randomPrototypes(random, head), { mask }), features, 3);
      expect(got.score.every(Number.isFinite)).toBe(true);
    }
  });

  it('leaves heads that float32 sums cannot hold to the twin', () => {
    for (const bad of [1e30, Number.NaN]) {
      const random = seeded(9);
      const head = randomHead(random, 12, 40);
      head.weight[100] = bad;
      expect(prepareScorer(fittedHimplos(head, randomPrototypes(random, head)), module).engine).toBe(
        'typescript',
      );
    }
  });

  it('gives a row the same bits alone and in a batch, and leaves its input alone', () => {
    const random = seeded(8);
    const head = randomHead(random, 103, 300);
    for (const mask of [0, 10, 50, 90]) {
      const scorer = prepareScorer(fittedHimplos(head, randomPrototypes(random, head), { mask }), module);
      const features = randomFeatures(random, 131, 300);
      // Every third row without zeros.
      for (let i = 0; i < features.length; i++) if (Math.floor(i / 300) % 3 === 0) features[i]! += 0.01;
      const before = features.slice();
      const batch = allocateScores(131);
      scorer.score(features, 131, batch);
      const single = allocateScores(1);
      for (let row = 0; row < 131; row++) {
        scorer.score(features.subarray(row * 300, (row + 1) * 300), 1, single);
        expect([single.score[0], single.predicted[0], single.cosine[0], single.flags[0]]).toEqual([
          batch.score[row],
          batch.predicted[row],
          batch.cosine[row],
          batch.flags[row],
        ]);
      }
      expect(features).toEqual(before);
    }
  });

  it.skipIf(!hasRealData)(
    `decides as float64 does on 2,000 CIFAR-10 test features and 600 textures (${needsData})`,
    async () => {
      const head = await cifarHead();
      for (const mask of [0, 10, 50, 90]) {
        const fitted = fittedHimplos(head, cifarPrototypes(head), { mask });
        for (const set of ['test.features', 'textures.features']) {
          const { rows, data } = cifarFeatures(set);
          compare(fitted, data, rows);
        }
      }
    },
  );
});

/** Scores, and the graph's own decisions, of the fused graph in ONNX Runtime. */
async function expectFusedGraphAgrees(
  fitted: FittedDetector,
  features: Float32Array,
  rows: number,
): Promise<void> {
  const twin = allocateScores(rows);
  prepareTwin(fitted).score(features, rows, twin);
  const ascending = twin.score.toSorted();
  const index = Math.floor(rows / 20);
  const gamma = (ascending[index]! + ascending[index + 1]!) / 2;
  const session = await InferenceSession.create(buildHeadModel({ ...fitted, gamma }));
  const input = new Tensor('float32', features, [rows, fitted.head.width]);
  const { score, is_ood, predicted_class } = await session.run({ features: input });
  const kernel = allocateScores(rows);
  prepareScorer(fitted, await compileKernel()).score(features, rows, kernel);
  for (let row = 0; row < rows; row++) {
    const mine = kernel.score[row]!;
    expect(Math.abs(Number(score!.data[row]) - mine)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(mine)));
    expect(Number(predicted_class!.data[row])).toBe(kernel.predicted[row]);
    expect(Boolean(is_ood!.data[row])).toBe(mine < gamma);
  }
}

describe('the fused graph and the kernel', () => {
  it.each([10, 50, 90])('agree at 2048 × 1000 and p = %i', async (mask) => {
    const random = seeded(mask + 1);
    const head = randomHead(random, 1000, 2048);
    const fitted = fittedHimplos(head, randomPrototypes(random, head), { mask });
    await expectFusedGraphAgrees(fitted, randomFeatures(random, 64, 2048), 64);
  });

  it.skipIf(!hasRealData)(`agree on 2,000 CIFAR-10 test features (${needsData})`, async () => {
    const head = await cifarHead();
    const { rows, data } = cifarFeatures('test.features');
    await expectFusedGraphAgrees(fittedHimplos(head, cifarPrototypes(head)), data, rows);
  });
});
