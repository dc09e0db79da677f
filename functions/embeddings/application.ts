import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { errorAnswer } from '../../shared/protocol/error-answer.ts';
import { readScoreDocument } from '../../shared/protocol/score-request.ts';
import type { createApp } from '../http/app.ts';
import { refusedRequest } from '../http/refused-request.ts';
import { answerRequest } from '../http/score.ts';
import type { DetectorCache } from '../runtime/detector-cache.ts';
import { fromResponse, isHttpEvent, toRequest } from '../runtime/http-event.ts';
import type { Telemetry } from '../runtime/telemetry.ts';

export type LambdaHandler = (event: unknown, context: Context) => Promise<unknown>;

/** Scores embeddings: HTTP events of a Function URL or an HTTP API, and our own JSON by direct invocation. */
export function createHandler(
  app: ReturnType<typeof createApp>,
  cache: DetectorCache,
  telemetry: Telemetry,
): LambdaHandler {
  return async (event, context) => {
    telemetry.begin(context.awsRequestId);
    cache.bindInvocation(() => context.getRemainingTimeInMillis());
    try {
      return isHttpEvent(event) ? await answer(event) : await invoke(event);
    } finally {
      await cache.settle();
      telemetry.end();
    }
  };

  async function answer(event: APIGatewayProxyEventV2): Promise<unknown> {
    const request = toRequest(event);
    const response =
      request === undefined ? refusedRequest(event.requestContext.http.method) : await app.fetch(request);
    return fromResponse(response);
  }

  /** A direct invocation: the document that `POST /v1/score` takes; errors come as `{"error": …}`. */
  async function invoke(event: unknown): Promise<unknown> {
    try {
      const serving = await cache.acquire();
      const request = readScoreDocument(event, serving.contents.head.width);
      return answerRequest(serving, request, telemetry);
    } catch (error) {
      const { status, body } = errorAnswer(error);
      telemetry.failed(error, status);
      return body;
    }
  }
}
