// First, so that the detector is on its way while everything else loads.
import './serving.ts';

import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import packageJson from '../../package.json' with { type: 'json' };
import { errorAnswer } from '../../shared/protocol/error-answer.ts';
import { readScoreDocument } from '../../shared/protocol/score-request.ts';
import { createApp } from '../http/app.ts';
import { refusedRequest } from '../http/refused-request.ts';
import { answerRequest } from '../http/score.ts';
import { fromResponse, isHttpEvent, toRequest } from '../runtime/http-event.ts';
import { Telemetry } from '../runtime/telemetry.ts';
import { cache, configuration } from './serving.ts';

const telemetry = new Telemetry(configuration.detector);
cache.onRefreshFailure = (error) => telemetry.refreshFailed(error);
const app = createApp({
  model: configuration.detector,
  source: cache,
  observer: telemetry,
  toolVersion: packageJson.version,
});

/** Scores embeddings: HTTP events of a Function URL or an HTTP API, and our own JSON by direct invocation. */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  telemetry.begin(context.awsRequestId);
  cache.bindInvocation(() => context.getRemainingTimeInMillis());
  try {
    return isHttpEvent(event) ? await answer(event) : await invoke(event);
  } finally {
    await cache.settle();
    telemetry.end();
  }
}

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
