import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createNodeServer } from '../../functions/http/node-server.ts';
import { HimplosError } from '../../shared/errors.ts';

/** A server on the loopback interface. */
export interface LocalServer {
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
  /** Takes no more requests, and resolves when those under way are answered, after 10 s in any case. */
  stop(): Promise<void>;
}

export interface LocalServerOptions {
  readonly port: number;
  readonly maxBodyBytes: number;
  /** Told a line about every request. */
  readonly log: (line: string) => void;
}

type Fetch = (request: Request) => Response | Promise<Response>;

const STOP_MS = 10_000;
const SWEEP_MS = 20;

/**
 * Serves on 127.0.0.1. Requests are answered only under the server's own name and, when a page makes them, only for
 * pages of its own: no web site that the user visits can reach it (DNS rebinding, cross-site requests). Throws
 * `conflict` when the port is taken.
 */
export async function startLocalServer(fetch: Fetch, options: LocalServerOptions): Promise<LocalServer> {
  let hosts: ReadonlySet<string> = new Set();
  const server = createNodeServer(async (request) => {
    const started = performance.now();
    const response = refuseStrangers(request, hosts) ?? (await fetch(request));
    response.headers.set('x-content-type-options', 'nosniff');
    options.log(logLine(request, response.status, performance.now() - started));
    return response;
  }, options.maxBodyBytes);
  server.listen(options.port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw listenError(options.port, cause);
  }
  const { port } = server.address() as AddressInfo;
  // An address leaves out the port that is usual anyway.
  const suffix = port === 80 ? '' : `:${port}`;
  hosts = new Set([`127.0.0.1${suffix}`, `localhost${suffix}`]);
  return {
    address: `http://127.0.0.1:${port}`,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      // A connection whose request was under way idles once that is answered.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
      const timer = setTimeout(() => server.closeAllConnections(), STOP_MS);
      await closed;
      clearInterval(sweep);
      clearTimeout(timer);
    },
  };
}

function refuseStrangers(request: Request, hosts: ReadonlySet<string>): Response | undefined {
  const { host } = new URL(request.url);
  if (!hosts.has(host)) return refuse(`this server is not called ${JSON.stringify(host.slice(0, 100))}`);
  const origin = request.headers.get('origin');
  if (origin !== null && !(origin.startsWith('http://') && hosts.has(origin.slice('http://'.length)))) {
    return refuse('pages of other origins are not answered');
  }
  return undefined;
}

function refuse(message: string): Response {
  const error = { code: 'bad-usage', message, hint: 'open the address that himplos serve printed' };
  return Response.json({ error }, { status: 403 });
}

/** Time, method, path (as sent, percent-encoded), status, milliseconds. */
function logLine(request: Request, status: number, milliseconds: number): string {
  const { pathname } = new URL(request.url);
  const time = new Date().toISOString();
  return `${time} ${request.method} ${pathname.slice(0, 200)} ${status} ${milliseconds.toFixed(1)} ms`;
}

function listenError(port: number, cause: unknown): HimplosError {
  const isTaken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
  const reason = isTaken ? 'it is taken' : (cause as Error).message;
  return new HimplosError(
    isTaken ? 'conflict' : 'unavailable',
    `cannot listen on 127.0.0.1:${port}: ${reason}`,
    {
      hint: 'choose another --port, or 0 for any free one',
      cause,
    },
  );
}
