import { setImmediate as turn } from 'node:timers/promises';
import packageJson from '../../package.json' with { type: 'json' };
import type { LambdaHandler } from './application.ts';
import { configuration } from './store.ts';

/**
 * The function with all its parts, loaded in pieces of some 10 ms with a turn of the event loop between them: what has
 * arrived meanwhile leads to the next request.
 */
export async function loadApplication(): Promise<LambdaHandler> {
  const model = configuration.detector;
  await turn();
  const { cache } = await import('./serving.ts');
  await turn();
  const { Telemetry } = await import('../runtime/telemetry.ts');
  const telemetry = new Telemetry(model);
  cache.onRefreshFailure = (error) => telemetry.refreshFailed(error);
  await turn();
  const { createApp } = await import('../http/app.ts');
  await turn();
  const { createHandler } = await import('./application.ts');
  const app = createApp({ model, source: cache, observer: telemetry, toolVersion: packageJson.version });
  return createHandler(app, cache, telemetry);
}
