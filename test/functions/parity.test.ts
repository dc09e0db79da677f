import { expect, it } from 'vitest';
import { prepareTwin } from '../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { hasRealData, needsData } from '../real-data.ts';
import { cifarHead, cifarPrototypes } from '../shared/kernel/cifar.ts';
import { cifarFeatures, fittedHimplos } from '../shared/kernel/heads.ts';
import { localApp } from './local-app.ts';
import { calibrate } from './published.ts';

it.skipIf(!hasRealData)(
  `answers 2,000 CIFAR-10 test features as float64 scores them (${needsData})`,
  async () => {
    const head = await cifarHead();
    const fitted = fittedHimplos(head, cifarPrototypes(head));
    const made = await calibrate(fitted, cifarFeatures('calibration.features').data);
    const app = await localApp(made);
    const { rows, data } = cifarFeatures('test.features');
    const expected = allocateScores(rows);
    prepareTwin(fitted).score(data, rows, expected);
    const response = await app.fetch(
      new Request('http://localhost/v1/score', {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: data.slice(),
      }),
    );
    expect(response.status).toBe(200);
    const { results } = (await response.json()) as ScoreAnswer;
    expect(results).toHaveLength(rows);
    results.forEach((result, row) => {
      const score = expected.score[row]!;
      expect(Math.abs(result.score - score)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(score)));
      expect(result.decision).toBe(score >= made.gamma ? 'id' : 'ood');
      expect(result.predicted_class).toBe(expected.predicted[row]);
    });
  },
);
