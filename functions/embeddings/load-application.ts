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
  return createHandler(app, cache, telemetry);
}
