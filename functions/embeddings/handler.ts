import { setImmediate as turn } from 'node:timers/promises';
import type { Context } from 'aws-lambda';
import type { LambdaHandler } from './application.ts';
// Its evaluation puts the detector on its way.
import './store.ts';

const application = load();
// A failure shows in the first invocation.
application.catch(() => undefined);

/** The function's entry. See application.ts. */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  return (await application)(event, context);
}

/**
 * Loads everything else while the first request travels, in pieces (files of their own in the deployed function) with
 * a turn of the event loop between them: what has arrived meanwhile leads to the next request.
 */
async function load(): Promise<LambdaHandler> {
  await turn();
  await import('./serving.ts');
  await turn();
  return (await import('./load-application.ts')).loadApplication();
}
