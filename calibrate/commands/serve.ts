import { createApp } from '../../functions/http/app.ts';
import type { Observer } from '../../functions/http/service.ts';
import { imageRoutes } from '../../functions/images/image-routes.ts';
import { playgroundRoutes } from '../../functions/playground/playground-routes.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Io } from '../io.ts';
import { startLocalServer } from '../serving/local-server.ts';
import { openServedDetector } from '../serving/served-detector.ts';
import type { Device } from '../session.ts';
import { toolVersion } from '../tool-version.ts';
import type { StoreOptions } from './store-options.ts';

export interface ServeOptions extends StoreOptions {
  /** Folder of a detector; without it, a store's channel is served. */
  readonly detector?: string;
  readonly channel: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly device: Device;
  readonly threads: number;
  readonly quiet?: boolean;
}

/** Nothing but this machine's memory bounds a request here: large enough for a camera's photograph. */
const MAX_BODY_BYTES = 64 * 2 ** 20;

/**
 * `himplos serve`: the functions' HTTP application and the playground on the loopback interface, until the user asks
 * to stop. Results go to stdout (the address, once), the request log to stderr.
 */
export async function serve(options: ServeOptions, io: Io): Promise<number> {
  const hasStore = options.store !== undefined || (options.detector === undefined && !!io.env.HIMPLOS_STORE);
  if ((options.detector !== undefined) === hasStore) {
    throw new HimplosError('bad-usage', 'expected either --detector or --store', {
      hint: '--detector FOLDER, or --store FOLDER|s3://bucket/prefix --name DETECTOR',
    });
  }
  const { name, source } = await openServedDetector(options, io);
  const observer: Observer = {
    scored: () => undefined,
    stage: () => undefined,
    failed: (error, status) => {
      if (status >= 500) io.stderr.write(`${describeFailure(error)}\n`);
    },
  };
  const app = createApp({
    model: name,
    source,
    observer,
    toolVersion,
    maxBodyBytes: MAX_BODY_BYTES,
    routes: [imageRoutes(), playgroundRoutes],
  });
  const server = await startLocalServer((request) => app.fetch(request), {
    port: options.port,
    maxBodyBytes: MAX_BODY_BYTES,
    log: options.quiet ? () => undefined : (line) => io.stderr.write(`${line}\n`),
  });
  io.stdout.write(`serving ${name} at ${server.address}/ (playground: ${server.address}/playground)\n`);
  if (!io.signal.aborted) {
    await new Promise<void>((resolve) =>
      io.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
  }
  io.stderr.write('stopping: requests under way are finished first\n');
  await server.stop();
  return 0;
}

/** A bug needs its stack; an error of ours says all there is. */
function describeFailure(error: unknown): string {
  if (error instanceof HimplosError) return `error: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
