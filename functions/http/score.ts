import { HimplosError } from '../../shared/errors.ts';
import { type Explanation, explainSample } from '../../shared/kernel/explain.ts';
import { allocateScores, type Scores } from '../../shared/methods/contract.ts';
import { makeAnswer, type ScoreAnswer } from '../../shared/protocol/answer.ts';
import type { FeatureBatch } from '../../shared/protocol/limits.ts';
import type { ScoreRequest } from '../../shared/protocol/score-request.ts';
import type { Observer, ServingDetector } from './service.ts';

/** An explanation takes some 10 ms at 2048 × 1000; more of them than this do not fit a request. */
const MAX_DETAILED_ROWS = 64;

/** Scores samples and tells the observer. */
export function scoreBatch(serving: ServingDetector, batch: FeatureBatch, observer: Observer): Scores {
  const started = performance.now();
  const scores = allocateScores(batch.rows);
  serving.scorer.score(batch.features, batch.rows, scores);
  observer.stage('score', performance.now() - started);
  observer.scored(serving, scores, batch.rows);
  return scores;
}

/** Answers one of our own requests. Throws `too-large` when more explanations are asked for than are made. */
export function answerRequest(
  serving: ServingDetector,
  request: ScoreRequest,
  observer: Observer,
): ScoreAnswer {
  if (request.isDetailed && request.rows > MAX_DETAILED_ROWS) {
    throw new HimplosError(
      'too-large',
      `detail=full: expected at most ${MAX_DETAILED_ROWS} samples, got ${request.rows}`,
      { hint: 'ask for details of those that were decided ood' },
    );
  }
  const scores = scoreBatch(serving, request, observer);
  const details = request.isDetailed ? explain(serving, request, scores) : undefined;
  return makeAnswer(serving, scores, request.rows, request.falseDiscoveryRate, details);
}

function explain(
  { contents, detector }: ServingDetector,
  { features, rows }: FeatureBatch,
  scores: Scores,
): Explanation[] {
  const { head, tensors } = contents;
  const masked = detector.maskedHead?.(head, tensors);
  return Array.from({ length: rows }, (_, row) =>
    explainSample(
      head,
      masked,
      features.slice(row * head.width, (row + 1) * head.width),
      scores.predicted[row]!,
      scores.cosine[row]!,
    ),
  );
}
