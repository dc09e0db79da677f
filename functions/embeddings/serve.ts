/**
 * The embeddings function on a machine of one's own:
 * `HIMPLOS_STORE=… HIMPLOS_DETECTOR=… node functions/embeddings/serve.ts [PORT]` (8080 without it, on the loopback
 * interface). Failures are written to standard error.
 */
import packageJson from '../../package.json' with { type: 'json' };
import { createApp } from '../http/app.ts';
import { createNodeServer } from '../http/node-server.ts';
import { cache } from './serving.ts';
import { configuration } from './store.ts';

const app = createApp({
  model: configuration.detector,
  source: cache,
  observer: {
    scored: () => undefined,
    stage: () => undefined,
    failed: (error, status) => {
      if (status >= 500) console.error(status, error);
    },
  },
  toolVersion: packageJson.version,
});
cache.onRefreshFailure = (error) => console.error('the store could not be asked for news:', error);
const port = Number(process.argv[2] ?? 8080);
createNodeServer((request) => app.fetch(request)).listen(port, '127.0.0.1', () => {
  console.log(`serving ${configuration.detector} at http://127.0.0.1:${port}`);
});
