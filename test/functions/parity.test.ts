import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { openRowScorer } from '../../calibrate/calibration/row-scorer.ts';
import { buildHeadModel } from '../../calibrate/onnx/fused-graph.ts';
import { decodeDetector } from '../../shared/artifact/detector.ts';
import { describeFile, makeManifest } from '../../shared/artifact/manifest.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { prepareScorer, prepareTwin } from '../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { hasRealData, needsData } from '../real-data.ts';
import { cifarHead, cifarPrototypes } from '../shared/kernel/cifar.ts';
import {
  cifarFeatures,
  fittedHimplos,
  randomFeatures,
  randomHead,
  randomPrototypes,
  seeded,
} from '../shared/kernel/heads.ts';
import { localApp } from './local-app.ts';
import { calibrate, type MadeDetector } from './published.ts';

/** METHODS §9 in float32. */
const TOLERANCE = 1e-5;

/** What a route says of each row. */
interface RouteAnswer {
  readonly score: number;
  readonly isOod: boolean;
  readonly predicted: number;
}

type Route = (made: MadeDetector, features: Float32Array, rows: number) => Promise<RouteAnswer[]>;

/** Every way from features to a decision, besides the float64 twin that they are held against. */
const ROUTES: Readonly<Record<string, Route>> = {
  'the tool': async ({ bytes, gamma }, features, rows) => {
    const manifest = makeManifest([await describeFile('detector.safetensors', bytes)]);
    const stored = { ...(await decodeDetector(bytes)), version: manifest.version, manifest };
    await using scorer = await openRowScorer(stored, 1);
    const { score, predicted } = await scorer.score(features.slice(), rows);
    return Array.from({ length: rows }, (_, row) => answer(score[row]!, gamma, predicted[row]!));
  },
  'the kernel': async ({ fitted, gamma }, features, rows) => {
    const scores = allocateScores(rows);
    prepareScorer(fitted, (await compileKernel())!).score(features, rows, scores);
    return Array.from({ length: rows }, (_, row) =>
      answer(scores.score[row]!, gamma, scores.predicted[row]!),
    );
  },
  'the fused graph': async ({ fitted, gamma }, features, rows) => {
    const session = await InferenceSession.create(buildHeadModel({ ...fitted, gamma }));
    const input = new Tensor('float32', features, [rows, fitted.head.width]);
    const { score, is_ood, predicted_class } = await session.run({ features: input });
    return Array.from({ length: rows }, (_, row) => ({
      score: Number(score!.data[row]),
      isOod: Boolean(is_ood!.data[row]),
      predicted: Number(predicted_class!.data[row]),
    }));
  },
  'the application': async (made, features) => {
    const app = await localApp(made);
    const request = new Request('http://localhost/v1/score', {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: features.slice(),
    });
    const { results } = (await (await app.fetch(request)).json()) as ScoreAnswer;
    return results.map(({ score, decision, predicted_class }) => ({
      score,
      isOod: decision === 'ood',
      predicted: predicted_class,
    }));
  },
};

const answer = (score: number, gamma: number, predicted: number) => ({
  score,
  isOod: score < gamma,
  predicted,
});

async function expectParity(made: MadeDetector, features: Float32Array, rows: number): Promise<void> {
  const expected = allocateScores(rows);
  prepareTwin(made.fitted).score(features, rows, expected);
  for (const [name, route] of Object.entries(ROUTES)) {
    const answers = await route(made, features, rows);
    expect(answers).toHaveLength(rows);
    answers.forEach((got, row) => {
      const score = expected.score[row]!;
      expect(Math.abs(got.score - score), name).toBeLessThanOrEqual(TOLERANCE * Math.max(1, Math.abs(score)));
      expect([name, row, got.isOod, got.predicted]).toEqual([
        name,
        row,
        score < made.gamma,
        expected.predicted[row],
      ]);
    });
  }
}

it.each([10, 50, 90])('every route scores and decides alike at 2048 × 1000 and p = %i', async (mask) => {
  const random = seeded(100 + mask);
  const head = randomHead(random, 1000, 2048);
  const fitted = fittedHimplos(head, randomPrototypes(random, head), { mask });
  const made = await calibrate(fitted, randomFeatures(random, 199, 2048));
  await expectParity(made, randomFeatures(random, 100, 2048), 100);
});

it.skipIf(!hasRealData).each([10, 50, 90])(
  `every route scores and decides alike on 2,000 CIFAR-10 test features at p = %i (${needsData})`,
  async (mask) => {
    const head = await cifarHead();
    const fitted = fittedHimplos(head, cifarPrototypes(head), { mask });
    const made = await calibrate(fitted, cifarFeatures('calibration.features').data);
    const { rows, data } = cifarFeatures('test.features');
    await expectParity(made, data, rows);
  },
);
