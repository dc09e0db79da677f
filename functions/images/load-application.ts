import { setImmediate as turn } from 'node:timers/promises';
import packageJson from '../../package.json' with { type: 'json' };
import type { LambdaHandler } from '../embeddings/application.ts';
import { configuration } from './store.ts';

/** Left to the function for scoring and its answer when images have used up the rest. */
const ANSWER_MS = 1000;

/**
 * The function with all its parts, loaded in pieces with a turn of the event loop between them: what has arrived
 * meanwhile leads to the next request.
 */
export async function loadApplication(): Promise<LambdaHandler> {
  const model = configuration.detector;
  await turn();
  await import('../../shared/artifact/detector.ts');
  await turn();
  const { cache, readReference } = await import('./serving.ts');
  await turn();
  const { Telemetry } = await import('../runtime/telemetry.ts');
  const telemetry = new Telemetry(model);
  cache.onRefreshFailure = (error) => telemetry.refreshFailed(error);
  await turn();
  const { createApp } = await import('../http/app.ts');
  const { createHandler } = await import('../embeddings/application.ts');
  await turn();
  const { answerDocument } = await import('./answer-document.ts');
  const { imageRoutes } = await import('./image-routes.ts');
  let remainingMs = () => Number.POSITIVE_INFINITY;
  const options = { readReference, budgetMs: () => Math.min(30_000, remainingMs() - ANSWER_MS) };
  const app = createApp({
    model,
    source: cache,
    observer: telemetry,
    toolVersion: packageJson.version,
    routes: [imageRoutes(options)],
  });
  const handle = createHandler(app, cache, telemetry, answerDocument(telemetry, options));
  return (event, context) => {
    remainingMs = () => context.getRemainingTimeInMillis();
    return handle(event, context);
  };
}
