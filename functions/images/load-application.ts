import packageJson from '../../package.json' with { type: 'json' };
import { createHandler, type LambdaHandler } from '../embeddings/application.ts';
import { createApp } from '../http/app.ts';
import { Telemetry } from '../runtime/telemetry.ts';
import { answerDocument } from './answer-document.ts';
import { imageRoutes } from './image-routes.ts';
import { cache, readReference } from './serving.ts';
import { configuration } from './store.ts';

/** Left to the function for scoring and its answer when images have used up the rest. */
const ANSWER_MS = 1000;

/** The function with all its parts. */
export function loadApplication(): LambdaHandler {
  const model = configuration.detector;
  const telemetry = new Telemetry(model);
  cache.onRefreshFailure = (error) => telemetry.refreshFailed(error);
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
