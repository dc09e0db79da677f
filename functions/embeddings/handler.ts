import { setImmediate as turn } from 'node:timers/promises';
import type { Context } from 'aws-lambda';
import packageJson from '../../package.json' with { type: 'json' };
import type { LambdaHandler } from './application.ts';
import { cache, configuration } from './serving.ts';

const application = loadApplication();
// A failure shows in the first invocation.
application.catch(() => undefined);

/** The function's entry. See application.ts. */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  return (await application)(event, context);
}

/**
 * Importing serving.ts has put the detector on its way. Loads the rest in pieces of some 10 ms, with a turn of the event
 * loop for the download between them.
 */
async function loadApplication(): Promise<LambdaHandler> {
  await turn();
  const { Telemetry } = await import('../runtime/telemetry.ts');
  const telemetry = new Telemetry(configuration.detector);
  cache.onRefreshFailure = (error) => telemetry.refreshFailed(error);
  await turn();
  const { createApp } = await import('../http/app.ts');
  const { createHandler } = await import('./application.ts');
  const model = configuration.detector;
  const app = createApp({ model, source: cache, observer: telemetry, toolVersion: packageJson.version });
  await turn();
  // The first use of these globals loads them: 20 ms.
  new Response('');
  return createHandler(app, cache, telemetry);
}
