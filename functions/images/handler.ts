import { setImmediate as turn } from 'node:timers/promises';
import type { Context } from 'aws-lambda';
import type { LambdaHandler } from '../embeddings/application.ts';
// Its evaluation puts manifest and detector on their way.
import './store.ts';

const application = load();
// A failure shows in the first invocation.
application.catch(() => undefined);

/** The function's entry: as functions/embeddings, and `POST /v1/images` or `{"images": […]}` by direct invocation. */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  return (await application)(event, context);
}

/** Loads everything else while the first requests travel, as functions/embeddings does. */
async function load(): Promise<LambdaHandler> {
  await turn();
  await import('./serving.ts');
  await turn();
  return (await import('./load-application.ts')).loadApplication();
}
