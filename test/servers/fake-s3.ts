import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  element,
  type FakeReply,
  type FakeRequest,
  type FakeState,
  perform,
  S3Fault,
  xml,
} from './fake-s3-operations.ts';

/** What goes wrong. */
export type Effect =
  /** Answers with this error and does nothing else. */
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** Never answers. */
  | { readonly kind: 'silence' }
  /** Closes the connection and does nothing else. */
  | { readonly kind: 'reset' }
  /** Does what was asked, then closes the connection instead of answering. */
  | { readonly kind: 'lost-answer' }
  /** Closes the connection after so many bytes of the body. */
  | { readonly kind: 'reset-in-body'; readonly afterBytes: number }
  /** Stops sending after so many bytes of the body, but keeps the connection. */
  | { readonly kind: 'stall-in-body'; readonly afterBytes: number }
  /** Announces, and sends where there are, so many bytes more or (negative) fewer than there are. */
  | { readonly kind: 'wrong-length'; readonly delta: number }
  /** Changes one byte on the way. */
  | { readonly kind: 'flip'; readonly at: number }
  /** Lists as if the keys that contain this text were not there yet. */
  | { readonly kind: 'stale-list'; readonly without: string };

export interface Fault {
  readonly effect: Effect;
  /** Which requests; all of them without it. */
  readonly on?: (request: FakeRequest) => boolean;
  /** How many of them, 1 without it. */
  times?: number;
}

/** An S3 server in this process, with one bucket called `bucket`. It keeps everything in memory. */
export interface FakeS3 extends FakeState {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Those that apply to a request hit it in this order, at most one of them. */
  readonly faults: Fault[];
  /** Every request so far: `GET bucket/key`, with the names of its query's parameters. */
  readonly log: string[];
  /** How far the server's clock is ahead. */
  clockOffsetMs: number;
  /** Called before and after each request is carried out, and waited for. */
  hook: ((request: FakeRequest, moment: 'before' | 'after') => void | Promise<void>) | undefined;
  close(): Promise<void>;
}

export const SECRET = 'secret-that-no-message-may-have';

/** Starts a server on a free port of the loopback interface. */
export async function startFakeS3(): Promise<FakeS3> {
  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
    // A client that was killed, or hung up, is nobody's failure.
    handle(fake, incoming, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const fake: FakeS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: 'AKIAFAKEFAKEFAKEFAKE', secretAccessKey: SECRET },
    buckets: new Set(['bucket']),
    objects: new Map(),
    uploads: new Map(),
    pageSize: 1000,
    faults: [],
    log: [],
    clockOffsetMs: 0,
    hook: undefined,
    now: () => Date.now() + fake.clockOffsetMs,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return fake;
}

async function handle(fake: FakeS3, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const request = await readRequest(incoming);
  fake.log.push(`${request.method} ${request.bucket}/${request.key}${describeQuery(request.query)}`);
  const effect = takeFault(fake, request);
  if (effect?.kind === 'silence') return;
  if (effect?.kind === 'reset') return void incoming.socket.resetAndDestroy();
  await fake.hook?.(request, 'before');
  const reply = answer(fake, request, effect);
  await fake.hook?.(request, 'after');
  if (effect?.kind === 'lost-answer') return void incoming.socket.resetAndDestroy();
  send(fake, request, reply, effect, response);
}

function answer(fake: FakeS3, request: FakeRequest, effect: Effect | undefined): FakeReply {
  try {
    if (effect?.kind === 'status') throw new S3Fault(effect.status, effect.code);
    checkAccess(fake, request);
    return perform(effect?.kind === 'stale-list' ? staleState(fake, effect.without) : fake, request);
  } catch (error) {
    if (!(error instanceof S3Fault)) throw error;
    // S3 repeats the key id, and what was signed, in some of its errors.
    const details =
      element('AWSAccessKeyId', fake.credentials.accessKeyId) + element('StringToSign', 'AWS4…');
    const content = element('Code', error.code) + element('Message', `${error.code} happened`) + details;
    return { ...xml('Error', content), status: error.status };
  }
}

function send(
  fake: FakeS3,
  { method }: FakeRequest,
  { status, headers = {}, body = Buffer.alloc(0) }: FakeReply,
  effect: Effect | undefined,
  response: ServerResponse,
): void {
  const announced = body.length + (effect?.kind === 'wrong-length' ? effect.delta : 0);
  response.writeHead(status, {
    date: new Date(fake.now()).toUTCString(),
    ...headers,
    ...(status === 204 || status === 304 ? {} : { 'content-length': announced }),
  });
  if (method === 'HEAD' || status === 204 || status === 304) return void response.end();
  if (effect?.kind === 'reset-in-body' || effect?.kind === 'stall-in-body') {
    response.write(body.subarray(0, effect.afterBytes), () => {
      if (effect.kind === 'reset-in-body') response.socket?.resetAndDestroy();
    });
  } else if (announced > body.length) {
    response.write(body, () => response.socket?.end());
  } else {
    const sent = body.subarray(0, announced);
    response.end(effect?.kind === 'flip' ? sent.with(effect.at, sent[effect.at]! ^ 1) : sent);
  }
}

/** Signatures are not computed: a real server does that (radosgw.ts). The clock and the key id are looked at. */
function checkAccess(fake: FakeS3, { headers }: FakeRequest): void {
  const authorization = headers.authorization ?? '';
  if (!authorization.includes(`Credential=${fake.credentials.accessKeyId}/`))
    throw new S3Fault(403, 'InvalidAccessKeyId');
  const date = String(headers['x-amz-date']).replace(
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/,
    '$1-$2-$3T$4:$5:$6Z',
  );
  const isSkewed = !(Math.abs(Date.parse(date) - fake.now()) < 15 * 60_000);
  if (isSkewed) throw new S3Fault(403, 'RequestTimeTooSkewed');
}

function takeFault(fake: FakeS3, request: FakeRequest): Effect | undefined {
  const fault = fake.faults.find(({ on, times = 1 }) => times > 0 && (on?.(request) ?? true));
  if (fault === undefined) return undefined;
  fault.times = (fault.times ?? 1) - 1;
  return fault.effect;
}

function staleState(fake: FakeS3, without: string): FakeState {
  return { ...fake, objects: new Map([...fake.objects].filter(([id]) => !id.includes(without))) };
}

async function readRequest(incoming: IncomingMessage): Promise<FakeRequest> {
  const url = new URL(incoming.url ?? '/', 'http://localhost');
  const [, bucket = '', ...segments] = url.pathname.split('/').map(decodeURIComponent);
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return {
    method: incoming.method ?? 'GET',
    bucket,
    key: segments.join('/'),
    query: url.searchParams,
    headers: incoming.headers,
    body: Buffer.concat(chunks),
  };
}

function describeQuery(query: URLSearchParams): string {
  const names = [...query.keys()].filter((name) => name !== 'x-id');
  return names.length === 0 ? '' : `?${names.join('&')}`;
}
