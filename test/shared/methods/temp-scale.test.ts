import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { runFit } from '../../../shared/statistics/run-fit.ts';
import { fitDetector, portions } from './fit-and-score.ts';
import { expectOracle, logSumExp, softmax, sum } from './naive.ts';
import { makeProblem, type Problem } from './sample-problem.ts';

/** A problem whose calibration labels are wrong every few rows, so that there is a best temperature. */
function withMistakes(every: number): Problem {
  const problem = makeProblem();
  const { labels } = problem.calibration;
  labels.forEach((label, row) => {
    if (row % every === 0) labels[row] = (label + 1 + (row % 4)) % 6;
  });
  return problem;
}

async function fitWithWarnings({ head, calibration }: Problem) {
  const warnings: string[] = [];
  const tensors = await runFit(findDetector('tempscale'), {
    head,
    totalRows: { train: 0, calibration: calibration.rows },
    openPass: () => portions(calibration, head.width, 50),
    warn: (sentence) => warnings.push(sentence),
  });
  return { temperature: Number(tensors.temperature!.data[0]!), warnings };
}

describe('tempscale', () => {
  it.each([3, 10, 60])('is MSP at the temperature of least NLL (a mistake in %i rows)', (every) =>
    expectOracle(
      'tempscale',
      ({ calibration }) => {
        const nll = (beta: number) =>
          sum(calibration.map(({ f, label }) => logSumExp(f.map((x) => beta * x)) - beta * f[label]!));
        // Golden-section search finds the minimum to about half of float64's digits.
        let [low, high] = [1e-3, 30];
        for (let i = 0; i < 200; i++) {
          const [a, b] = [high - (high - low) / 1.618033988749895, low + (high - low) / 1.618033988749895];
          if (nll(a) < nll(b)) high = b;
          else low = a;
        }
        return ({ f }) => Math.max(...softmax(f.map((x) => (x * (low + high)) / 2)));
      },
      { problem: withMistakes(every), tolerance: 1e-6 },
    ),
  );

  it('stands where the slope of the likelihood vanishes', async () => {
    const problem = withMistakes(8);
    const { temperature, warnings } = await fitWithWarnings(problem);
    const { head, calibration } = problem;
    let slope = 0;
    for (let row = 0; row < calibration.rows; row++) {
      const h = [...calibration.features.subarray(row * head.width, (row + 1) * head.width)];
      const f = [...head.bias].map((b, c) => b + sum(h.map((x, l) => x * head.weight[c * head.width + l]!)));
      slope += sum(softmax(f.map((x) => x / temperature)).map((p, c) => p * f[c]!));
      slope -= f[calibration.labels[row]!]!;
    }
    expect(Math.abs(slope / calibration.rows)).toBeLessThan(1e-10);
    expect(warnings).toEqual([]);
  });

  it('uses 1 and warns when no temperature is best', async () => {
    const right = makeProblem();
    expect(await fitWithWarnings(right)).toEqual({
      temperature: 1,
      warnings: [expect.stringContaining('makes no mistake')],
    });
    const wrong = makeProblem();
    wrong.calibration.labels.forEach((label, row) => {
      wrong.calibration.labels[row] = (label + 1) % 6;
    });
    expect(await fitWithWarnings(wrong)).toEqual({
      temperature: 1,
      warnings: [expect.stringContaining('no better than chance')],
    });
  });

  it('says so when the calibration rows have no labels', async () => {
    const problem = makeProblem();
    problem.calibration.labels.fill(-1);
    await expect(fitDetector(findDetector('tempscale'), problem)).rejects.toThrow(
      /calibration row 0: expected a class label/,
    );
  });
});
