import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { errorAnswer } from '../../shared/protocol/error-answer.ts';
import { readScoreDocument } from '../../shared/protocol/score-request.ts';
import type { createApp } from '../http/app.ts';
import { refusedRequest } from '../http/refused-request.ts';
import { answerRequest } from '../http/score.ts';
import type { ServingDetector } from '../http/service.ts';
import type { DetectorCache } from '../runtime/detector-cache.ts';
import { fromResponse, isHttpEvent, toRequest } from '../runtime/http-event.ts';
import type { Telemetry } from '../runtime/telemetry.ts';

export type LambdaHandler = (event: unknown, context: Context) => Promise<unknown>;

/** Answers the document of a direct invocation. Throws as the routes of the application do. */
export type AnswerDocument = (serving: ServingDetector, event: unknown) => ScoreAnswer | Promise<ScoreAnswer>;

/**
 * Scores what HTTP events of a Function URL or an HTTP API bring, and our own JSON by direct invocation.
 * @param answerDocument the document that `POST /v1/score` takes without it
 */
export function createHandler(
  app: ReturnType<typeof createApp>,
  cache: DetectorCache,
  telemetry: Telemetry,
  answerDocument: AnswerDocument = (serving, event) =>
    answerRequest(serving, readScoreDocument(event, serving.contents.head.width), telemetry),
): LambdaHandler {
  let isFirst = true;
  return async (event, context) => {
    telemetry.begin(context.awsRequestId);
    cache.bindInvocation(() => context.getRemainingTimeInMillis());
    try {
      return isHttpEvent(event) ? await answer(event) : await invoke(event);
    } finally {
      await cache.settle();
      telemetry.end();
      // A turn of the event loop later, when the runtime has sent the answer.
      if (isFirst) setImmediate(() => cache.finish());
      isFirst = false;
    }
  };

  async function answer(event: APIGatewayProxyEventV2): Promise<unknown> {
    const request = toRequest(event);
    const response =
      request === undefined ? refusedRequest(event.requestContext.http.method) : await app.fetch(request);
    return fromResponse(response);
  }

  /** A direct invocation; errors come as `{"error": …}`. */
  async function invoke(event: unknown): Promise<unknown> {
    try {
      return await answerDocument(await cache.acquire(), event);
    } catch (error) {
      const { status, body } = errorAnswer(error);
      telemetry.failed(error, status);
      return body;
    }
  }
}
