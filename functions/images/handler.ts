import { setImmediate as turn } from 'node:timers/promises';
import type { Context } from 'aws-lambda';
import packageJson from '../../package.json' with { type: 'json' };
import type { LambdaHandler } from '../embeddings/application.ts';
import { cache, configuration, readReference } from './serving.ts';

/** Left to the function for scoring and its answer when images have used up the rest. */
const ANSWER_MS = 1000;
let remainingMs = () => Number.POSITIVE_INFINITY;

const application = loadApplication();
// A failure shows in the first invocation.
application.catch(() => undefined);

/** The function's entry: as functions/embeddings, and `POST /v1/images` or `{"images": […]}` by direct invocation. */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  remainingMs = () => context.getRemainingTimeInMillis();
  return (await application)(event, context);
}

async function loadApplication(): Promise<LambdaHandler> {
  await turn();
  const { Telemetry } = await import('../runtime/telemetry.ts');
  const telemetry = new Telemetry(configuration.detector);
  cache.onRefreshFailure = (error) => telemetry.refreshFailed(error);
  await turn();
  const { createApp } = await import('../http/app.ts');
  const { createHandler } = await import('../embeddings/application.ts');
  const { answerDocument } = await import('./answer-document.ts');
  const { imageRoutes } = await import('./image-routes.ts');
  const options = { readReference, budgetMs: () => Math.min(30_000, remainingMs() - ANSWER_MS) };
  const app = createApp({
    model: configuration.detector,
    source: cache,
    observer: telemetry,
    toolVersion: packageJson.version,
    routes: [imageRoutes(options)],
  });
  await turn();
  // The first use of these globals loads them: 20 ms.
  new Response('');
  return createHandler(app, cache, telemetry, answerDocument(telemetry, options));
}
