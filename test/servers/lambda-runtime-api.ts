import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

/** What an invocation came to. */
export interface Invocation {
  /** What the function returned, or its error's document. */
  readonly payload: unknown;
  /** Set when the function threw or its process ended. */
  readonly functionError: string | undefined;
}

/** A function running in a process of its own, fed by a Runtime API server on loopback. */
export interface LambdaHost {
  invoke(event: unknown): Promise<Invocation>;
  /** What the function has written so far: logs and metrics, a JSON document a line. */
  logs(): string;
  /** Resident memory of the function's process in bytes. */
  residentBytes(): Promise<number>;
  stop(): Promise<void>;
}

export interface LambdaOptions {
  /** Folder with the unpacked function. */
  readonly taskRoot: string;
  /** `index.handler`. */
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Command of the runtime client that gets the handler as its last argument; the project's own without it. */
  readonly client?: readonly string[];
  readonly timeoutMs?: number;
  readonly memoryMb?: number;
}

interface Pending {
  readonly id: string;
  readonly event: string;
  readonly resolve: (invocation: Invocation) => void;
}

const PREFIX = '/2018-06-01/runtime';
const OWN_CLIENT = fileURLToPath(new URL('./lambda-runtime-client.mjs', import.meta.url));

/**
 * Starts a function as Lambda would: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Events wait until
 * the process asks for them, one at a time.
 */
export async function startLambda(options: LambdaOptions): Promise<LambdaHost> {
  const { timeoutMs = 10_000 } = options;
  const queue: Pending[] = [];
  const waiting: ServerResponse[] = [];
  const running = new Map<string, Pending>();
  let death: string | undefined;

  function deliver(response: ServerResponse, pending: Pending): void {
    running.set(pending.id, pending);
    response.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': pending.id,
      'lambda-runtime-deadline-ms': String(Date.now() + timeoutMs),
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:us-east-1:000000000000:function:test',
      'lambda-runtime-trace-id': 'Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0',
    });
    response.end(pending.event);
  }

  function failAll(functionError: string, payload: unknown): void {
    for (const pending of [...running.values(), ...queue.splice(0)])
      pending.resolve({ functionError, payload });
    running.clear();
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    if (request.method === 'GET' && path === `${PREFIX}/invocation/next`) {
      const pending = queue.shift();
      if (pending === undefined) waiting.push(response);
      else deliver(response, pending);
      return;
    }
    const body = await readAll(request);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"OK"}');
    const [, id, kind] = /\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    if (path === `${PREFIX}/init/error`) {
      death = body;
      failAll('InitError', parse(body));
    } else if (id !== undefined) {
      running.get(id)?.resolve({
        payload: parse(body),
        functionError:
          kind === 'error'
            ? String(request.headers['lambda-runtime-function-error-type'] ?? 'Unhandled')
            : undefined,
      });
      running.delete(id);
    }
  }

  const server = createServer((request, response) => void answer(request, response));
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const child = startClient(options, (server.address() as AddressInfo).port);
  let logs = '';
  child.stdout!.on('data', (chunk) => {
    logs += String(chunk);
  });
  child.stderr!.on('data', (chunk) => {
    logs += String(chunk);
  });
  const exited = once(child, 'exit').then(([code]) => {
    death ??= `the process ended with ${String(code)}`;
    failAll('Runtime.ExitError', death);
  });

  return {
    invoke: (event) =>
      new Promise((resolve) => {
        if (death !== undefined) {
          resolve({ functionError: 'Runtime.ExitError', payload: death });
          return;
        }
        const pending = { id: randomUUID(), event: JSON.stringify(event), resolve };
        const response = waiting.shift();
        if (response === undefined) queue.push(pending);
        else deliver(response, pending);
      }),
    logs: () => logs,
    residentBytes: () => residentBytes(child.pid!),
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      server.closeAllConnections();
      server.close();
    },
  };
}

function startClient(options: LambdaOptions, port: number): ChildProcess {
  const { taskRoot, handler, environment, client = [process.execPath, OWN_CLIENT] } = options;
  const [command, ...args] = client;
  return spawn(command!, [...args, handler], {
    cwd: taskRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
      LAMBDA_TASK_ROOT: taskRoot,
      _HANDLER: handler,
      AWS_REGION: 'us-east-1',
      AWS_LAMBDA_FUNCTION_NAME: 'test',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(options.memoryMb ?? 512),
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/test',
      AWS_LAMBDA_LOG_STREAM_NAME: 'test',
      ...environment,
    },
  });
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function parse(body: string): unknown {
  return body === '' ? undefined : JSON.parse(body);
}

async function residentBytes(pid: number): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
}
