import packageJson from '../../package.json' with { type: 'json' };
import { createApp } from '../http/app.ts';
import { Telemetry } from '../runtime/telemetry.ts';
import { createHandler, type LambdaHandler } from './application.ts';
import { cache } from './serving.ts';
import { configuration } from './store.ts';

/** The function with all its parts. */
export function loadApplication(): LambdaHandler {
  const model = configuration.detector;
  const telemetry = new Telemetry(model);
  cache.onRefreshFailure = (error) => telemetry.refreshFailed(error);
  const app = createApp({ model, source: cache, observer: telemetry, toolVersion: packageJson.version });
  if (process.env.AWS_LAMBDA_INITIALIZATION_TYPE === 'provisioned-concurrency') void finish(telemetry);
  return createHandler(app, cache, telemetry);
}

/** Before there is a request, nothing is worth leaving for after its answer. */
async function finish(telemetry: Telemetry): Promise<void> {
  await telemetry.open();
  // A failure shows in the first request.
  await cache.acquire().catch(() => undefined);
  cache.finish();
}
