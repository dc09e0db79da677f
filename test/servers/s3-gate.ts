import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What IAM is asked about: an action, and the key it is on; for a listing the prefix. */
export interface S3Call {
  readonly action: string;
  readonly key: string;
}

/** A way to an S3 server on which somebody has only the rights of a policy. */
export interface S3Gate {
  readonly endpoint: string;
  /** What was let through, in order. */
  readonly allowed: S3Call[];
  /** What was answered 403. */
  readonly denied: S3Call[];
  close(): Promise<void>;
}

export const LIST = 's3:ListBucket';

/** Uploads in parts are writing, until they are given up: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html */
const ACTIONS: Readonly<Record<string, string>> = {
  GET: 's3:GetObject',
  HEAD: 's3:GetObject',
  PUT: 's3:PutObject',
  POST: 's3:PutObject',
  DELETE: 's3:DeleteObject',
};

/**
 * Starts a proxy on loopback that passes on what a policy permits, as it came (signatures stay right), and records it.
 * As S3 does, it says of an absent object that access is denied, unless its key may be listed; that right, where it was
 * needed, is recorded too.
 */
export async function startS3Gate(upstream: string, permits: (call: S3Call) => boolean): Promise<S3Gate> {
  const { hostname, port } = new URL(upstream);
  const agent = new Agent({ keepAlive: true });
  const allowed: S3Call[] = [];
  const denied: S3Call[] = [];

  function pass(incoming: IncomingMessage, response: ServerResponse): void {
    const call = callOf(incoming);
    if (!permits(call)) {
      denied.push(call);
      deny(incoming, response);
      return;
    }
    allowed.push(call);
    const { method, url: path, headers } = incoming;
    const onward = request({ hostname, port, agent, method, path, headers }, (answer) => {
      const listing = { action: LIST, key: call.key };
      const isAbsent = answer.statusCode === 404 && call.action === 's3:GetObject';
      if (isAbsent && !permits(listing)) {
        answer.resume();
        deny(incoming, response);
        return;
      }
      if (isAbsent) allowed.push(listing);
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  const server = createServer(pass);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    allowed,
    denied,
    async close() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function callOf({ method = '', url = '' }: IncomingMessage): S3Call {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  const key = decodeURIComponent(pathname).split('/').slice(2).join('/');
  if (key === '') {
    const action = searchParams.has('uploads') ? 's3:ListBucketMultipartUploads' : LIST;
    return { action, key: searchParams.get('prefix') ?? '' };
  }
  if (method === 'DELETE' && searchParams.has('uploadId')) return { action: 's3:AbortMultipartUpload', key };
  return { action: ACTIONS[method] ?? method, key };
}

function deny(incoming: IncomingMessage, response: ServerResponse): void {
  incoming.resume();
  response.writeHead(403, { 'content-type': 'application/xml' });
  response.end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>');
}
