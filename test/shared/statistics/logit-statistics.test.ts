import { describe, expect, it } from 'vitest';
import { nllSlopes } from '../../../shared/statistics/nll-slopes.ts';
import { predictedProbabilities } from '../../../shared/statistics/predicted-probabilities.ts';
import { residualMeans } from '../../../shared/statistics/residual-means.ts';
import { logSumExp, norm, samplesOf, sum } from '../methods/naive.ts';
import { makeProblem } from '../methods/sample-problem.ts';
import { reduce } from './reduce.ts';

const { head, train } = makeProblem({ trainRows: 500 });
const { classes, width } = head;
const samples = samplesOf(head, train);

/** Norms of the features themselves stand for a residual. */
const norms = residualMeans('test', (features, rows, out) => {
  for (let row = 0; row < rows; row++)
    out[row] = norm([...features.subarray(row * width, (row + 1) * width)]);
});

describe('predicted probabilities', () => {
  it('are softmax sums by predicted class', async () => {
    const { counts, sums } = await reduce(predictedProbabilities, head, train);
    for (let c = 0; c < classes; c++) {
      const alike = samples.filter(({ predicted }) => predicted === c);
      expect(counts[c]).toBe(alike.length);
      for (let k = 0; k < classes; k++)
        expect(sums[c * classes + k]).toBeCloseTo(sum(alike.map(({ p }) => p[k]!)), 10);
    }
  });
});

describe('residual means', () => {
  it('are means of the norm and of the largest logit', async () => {
    const { rows, residual, maxLogit } = await reduce(norms, head, train);
    expect(rows).toBe(500);
    expect(residual).toBeCloseTo(sum(samples.map(({ h }) => norm(h))) / 500, 10);
    expect(maxLogit).toBeCloseTo(sum(samples.map(({ f }) => Math.max(...f))) / 500, 10);
  });
});

describe('likelihood slopes', () => {
  it('are derivatives of the mean negative log-likelihood by the inverse temperature', async () => {
    const betas = [0.25, 1, 2];
    const { slopes, curvatures } = await reduce(nllSlopes(betas), head, train);
    const nll = (beta: number) =>
      sum(samples.map(({ f, label }) => logSumExp(f.map((x) => beta * x)) - beta * f[label]!)) / 500;
    betas.forEach((beta, i) => {
      const step = 1e-4;
      expect(slopes[i]).toBeCloseTo((nll(beta + step) - nll(beta - step)) / (2 * step), 5);
      expect(curvatures[i]).toBeCloseTo((nll(beta + step) - 2 * nll(beta) + nll(beta - step)) / step ** 2, 4);
    });
  });

  it('need labels', async () => {
    const unlabelled = { ...train, labels: new Int32Array(train.rows).fill(-1) };
    await expect(reduce(nllSlopes([1]), head, unlabelled)).rejects.toThrow(/expected a class label/);
  });
});

describe('sums over logits', () => {
  it.each([predictedProbabilities, norms, nllSlopes([0.5, 3])])(
    'of $key are the same bits from any number of shards, and refuse foreign states',
    async (statistic) => {
      const whole = await reduce<unknown>(statistic, head, train);
      expect(await reduce<unknown>(statistic, head, train, 4)).toEqual(whole);
      expect(() => statistic.create({ head, totalRows: 500 }).merge({})).toThrow(
        expect.objectContaining({ code: 'bad-input' }),
      );
    },
  );
});
