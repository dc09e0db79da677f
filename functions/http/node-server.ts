import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { MAX_BODY_BYTES } from '../../shared/protocol/limits.ts';
import { refusedRequest } from './refused-request.ts';

type Fetch = (request: Request) => Response | Promise<Response>;

/**
 * Serves a web-standard application with node:http, for machines of one's own and for tests.
 * @param maxBodyBytes the application's bound: no more of a body is kept
 */
export function createNodeServer(fetch: Fetch, maxBodyBytes: number = MAX_BODY_BYTES): Server {
  return createServer((incoming, outgoing) => {
    answer(fetch, maxBodyBytes, incoming, outgoing).catch(() => outgoing.destroy());
  });
}

async function answer(
  fetch: Fetch,
  maxBodyBytes: number,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const body = await readBody(incoming, maxBodyBytes);
  const request = toRequest(incoming, body);
  const response = request === undefined ? refusedRequest(incoming.method ?? '') : await fetch(request);
  const payload = Buffer.from(await response.arrayBuffer());
  const headers = Object.fromEntries(response.headers);
  outgoing.writeHead(response.status, { ...headers, 'content-length': payload.length });
  outgoing.end(incoming.method === 'HEAD' ? undefined : payload);
}

/** The body; of one that is too large, just enough for the application to see that it is. */
async function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    if (bytes > maxBytes) continue;
    chunks.push(chunk);
    bytes += chunk.length;
  }
  return Buffer.concat(chunks);
}

/** Undefined for what cannot be a request. */
function toRequest(incoming: IncomingMessage, body: Buffer<ArrayBuffer>): Request | undefined {
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!);
  }
  const method = incoming.method ?? 'GET';
  const path = incoming.url?.startsWith('/') ? incoming.url : '/';
  const url = `http://${incoming.headers.host ?? 'localhost'}${path}`;
  const hasBody = method !== 'GET' && method !== 'HEAD' && body.length > 0;
  try {
    return new Request(url, { method, headers, ...(hasBody && { body }) });
  } catch {
    return undefined;
  }
}
