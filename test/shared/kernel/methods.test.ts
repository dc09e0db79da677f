import { describe, expect, it } from 'vitest';
import { compileKernel } from '../../../shared/kernel/kernel-module.ts';
import { prepareScorer, prepareTwin } from '../../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../../shared/methods/contract.ts';
import { methods } from '../../../shared/methods/registry.ts';
import { runFit } from '../../../shared/statistics/run-fit.ts';
import { randomFeatures, randomHead, seeded } from './heads.ts';

const [CLASSES, WIDTH, TRAIN, ROWS] = [10, 64, 400, 100];

/** METHODS §9 for float32: the residual of ViM is a difference of large numbers. */
const tolerance = (id: string) => (id === 'vim' ? 1e-4 : 1e-5);

describe('every method with logits from the kernel', () => {
  it.each(methods.map((method) => [method.id, method] as const))(
    '%s scores as in float64',
    async (id, method) => {
      const random = seeded(3);
      const head = randomHead(random, CLASSES, WIDTH);
      const features = randomFeatures(random, TRAIN, WIDTH);
      const labels = Int32Array.from({ length: TRAIN }, (_, i) => i % CLASSES);
      const detector = method.bind({});
      const tensors = await runFit(detector, {
        head,
        totalRows: { train: TRAIN, calibration: TRAIN },
        openPass: async function* () {
          // Blocks of 128 rows, which a batch never crosses.
          for (let firstRow = 0; firstRow < TRAIN; firstRow += 128) {
            const rows = Math.min(128, TRAIN - firstRow);
            yield {
              rows,
              firstRow,
              features: features.subarray(firstRow * WIDTH, (firstRow + rows) * WIDTH),
              labels: labels.subarray(firstRow, firstRow + rows),
            };
          }
        },
      });
      const fitted = { detector, head, tensors };
      const samples = randomFeatures(random, ROWS, WIDTH);
      const scorer = prepareScorer(fitted, await compileKernel());
      expect(scorer.engine).not.toBe('typescript');
      const got = allocateScores(ROWS);
      scorer.score(samples, ROWS, got);
      const expected = allocateScores(ROWS);
      prepareTwin(fitted).score(samples, ROWS, expected);
      expect(got.predicted).toEqual(expected.predicted);
      expect(got.flags).toEqual(expected.flags);
      for (let row = 0; row < ROWS; row++) {
        const score = expected.score[row]!;
        expect(Math.abs(got.score[row]! - score)).toBeLessThanOrEqual(
          tolerance(id) * Math.max(1, Math.abs(score)),
        );
      }
    },
  );
});
