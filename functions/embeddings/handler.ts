import type { Context } from 'aws-lambda';
import packageJson from '../../package.json' with { type: 'json' };
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { errorAnswer } from '../../shared/protocol/error-answer.ts';
import { readScoreDocument } from '../../shared/protocol/score-request.ts';
import { createApp } from '../http/app.ts';
import { answerRequest } from '../http/score.ts';
import { readConfiguration } from '../runtime/configuration.ts';
import { DetectorCache } from '../runtime/detector-cache.ts';
import { fromResponse, isHttpEvent, toRequest } from '../runtime/http-event.ts';
import { openReader } from '../runtime/open-reader.ts';
import { Telemetry } from '../runtime/telemetry.ts';

const configuration = readConfiguration(process.env);
const telemetry = new Telemetry(configuration.detector);
const cache = new DetectorCache({
  ...configuration,
  openStore: async () => openReader(configuration),
  kernel: compileKernel(),
  onRefreshFailure: (error) => telemetry.refreshFailed(error),
});
// The download begins before the first request arrives.
cache.start();
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
    return isHttpEvent(event) ? await fromResponse(await app.fetch(toRequest(event))) : await invoke(event);
  } finally {
    await cache.settle();
    telemetry.end();
  }
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
