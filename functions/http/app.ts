import { type Context, Hono } from 'hono';
import { HimplosError } from '../../shared/errors.ts';
import { makeAnswer } from '../../shared/protocol/answer.ts';
import { errorAnswer } from '../../shared/protocol/error-answer.ts';
import { JSON_LENGTH_HEADER, readInferRequest } from '../../shared/protocol/inference-v2.ts';
import { makeInferAnswer, modelMetadata } from '../../shared/protocol/inference-v2-answer.ts';
import { parseDocument } from '../../shared/protocol/json-document.ts';
import { MAX_BODY_BYTES } from '../../shared/protocol/limits.ts';
import { readPredictV1 } from '../../shared/protocol/predict-v1.ts';
import { readScoreRequest } from '../../shared/protocol/score-request.ts';
import { describeDetector } from './describe-detector.ts';
import { answerRequest, scoreBatch } from './score.ts';
import type { DetectorSource, Observer, ServingDetector } from './service.ts';

export interface AppOptions {
  /** The detector's name, which is the model's name to inference protocols. */
  readonly model: string;
  readonly source: DetectorSource;
  readonly observer: Observer;
  readonly toolVersion: string;
  /** Bound on a request's body; what a Lambda event can hold without it. */
  readonly maxBodyBytes?: number;
  /** Further routes; they come with the same errors, bounds and refusals. */
  readonly routes?: readonly AddRoutes[];
}

/** Adds routes to the application. */
export type AddRoutes = (app: Hono, parts: AppParts) => void;

/** What further routes may use. */
export interface AppParts {
  readonly observer: Observer;
  /** The detector, and the body while it loads. */
  receive(c: Context): Promise<[ServingDetector, Uint8Array]>;
  /** Does some work and tells the observer how long it took. */
  timed<T>(stage: Parameters<Observer['stage']>[0], work: () => T): T;
}

/**
 * The HTTP interface: web-standard Request to Response, the same on Lambda and on a local server. Every answer of a
 * scoring route names the artifact version; every error has a code, a message and, where there is one, a hint.
 */
export function createApp(options: AppOptions): Hono {
  const { model, source, observer, toolVersion, maxBodyBytes = MAX_BODY_BYTES, routes = [] } = options;
  const app = new Hono();

  app.post('/v1/score', async (c) => {
    const [serving, body] = await receive(c);
    const request = timed('parse', () =>
      readScoreRequest(body, mediaTypeOf(c), c.req.query(), serving.contents.head.width),
    );
    const answer = answerRequest(serving, request, observer);
    return timed('respond', () => c.json(answer));
  });

  app.get('/v1/detector', async (c) => c.json(describeDetector(model, await source.acquire())));

  app.get('/v1/models', (c) => c.json({ models: [model] }));
  app.get('/v1/models/:name{[^/:]+}', async (c) => {
    requireModel(c.req.param('name'));
    await source.acquire();
    return c.json({ name: model, ready: true });
  });
  app.post('/v1/models/:target{[^/:]+:predict}', async (c) => {
    requireModel(c.req.param('target').replace(/:predict$/, ''));
    const [serving, body] = await receive(c);
    const batch = timed('parse', () => readPredictV1(parseDocument(body), serving.contents.head.width));
    const { results, ...rest } = makeAnswer(serving, scoreBatch(serving, batch, observer), batch.rows);
    return timed('respond', () => c.json({ predictions: results.map((result) => ({ ...rest, ...result })) }));
  });

  app.get('/v2', (c) =>
    c.json({ name: 'himplos', version: toolVersion, extensions: ['binary_tensor_data'] }),
  );
  app.get('/v2/health/live', (c) => c.json({ live: true }));
  app.get('/v2/health/ready', async (c) => {
    await source.acquire();
    return c.json({ ready: true });
  });
  for (const prefix of ['/v2/models/:name', '/v2/models/:name/versions/:version'] as const) {
    app.get(prefix, async (c) => {
      const serving = await acquireModel(c);
      return c.json(modelMetadata(model, serving.version, serving.contents.head.width));
    });
    app.get(`${prefix}/ready`, async (c) => {
      await acquireModel(c);
      return c.json({ name: model, ready: true });
    });
    app.post(`${prefix}/infer`, async (c) => {
      requireModel(c.req.param('name'));
      const [serving, body] = await receive(c);
      requireVersion(c.req.param('version'), serving);
      const request = timed('parse', () =>
        readInferRequest(body, c.req.header(JSON_LENGTH_HEADER), serving.contents.head.width),
      );
      const scores = scoreBatch(serving, request, observer);
      return timed('respond', () => {
        const answer = makeInferAnswer(model, request, serving, scores);
        if (answer.jsonLength === undefined) return c.body(answer.body, 200, JSON_TYPE);
        return c.body(answer.body, 200, {
          'content-type': 'application/octet-stream',
          'Inference-Header-Content-Length': String(answer.jsonLength),
        });
      });
    });
  }

  app.get('/healthz', async (c) => {
    const serving = await source.acquire();
    return c.json({ status: 'ok', artifact_version: serving.version });
  });
  app.get('/openapi.json', async (c) => {
    // Useful without a detector too.
    const serving = await source.acquire().catch(() => undefined);
    const hasPath = (path: string) => app.routes.some((route) => route.path === path);
    const { openapiFor } = await loadDocuments();
    return c.json(openapiFor(model, serving?.contents.head.width, hasPath));
  });
  app.get('/', async (c) => c.html((await loadDocuments()).docsPage));
  for (const add of routes) add(app, { observer, receive, timed });

  refuseOtherMethods(app);
  app.notFound((c) => respondTo(c, unknownAddress(c)));
  app.onError((error, c) => respondTo(c, error));
  return app;

  /** The detector, and the body while it loads. */
  async function receive(c: Context): Promise<[ServingDetector, Uint8Array]> {
    const started = performance.now();
    const [serving, body] = await Promise.all([source.acquire(), readBody(c, maxBodyBytes)]);
    observer.stage('acquire', performance.now() - started);
    return [serving, body];
  }

  async function acquireModel(c: Context): Promise<ServingDetector> {
    requireModel(c.req.param('name') ?? '');
    const serving = await source.acquire();
    requireVersion(c.req.param('version'), serving);
    return serving;
  }

  function requireModel(name: string): void {
    if (name === model) return;
    throw new HimplosError('not-found', `model ${JSON.stringify(name.slice(0, 100))}: expected ${model}`, {
      hint: 'GET /v1/models lists the one model of this server',
    });
  }

  function requireVersion(version: string | undefined, serving: ServingDetector): void {
    if (version === undefined || version === serving.version) return;
    throw new HimplosError(
      'not-found',
      `version ${JSON.stringify(version.slice(0, 100))} is not being served`,
      {
        hint: `version ${serving.version} is`,
      },
    );
  }

  function respondTo(c: Context, error: unknown): Response {
    const { status, body } = errorAnswer(error);
    observer.failed(error, status);
    // The inference protocol wants a plain string.
    const { message, hint } = body.error;
    const isV2 = c.req.path.startsWith('/v2');
    const shown = isV2 ? { error: hint === undefined ? message : `${message} (${hint})` } : body;
    const headers = status === 503 ? { 'retry-after': '1' } : undefined;
    return c.json(shown, status as 400, headers);
  }

  function timed<T>(stage: Parameters<Observer['stage']>[0], work: () => T): T {
    const started = performance.now();
    const result = work();
    observer.stage(stage, performance.now() - started);
    return result;
  }
}

/** 405 with `Allow` for addresses that exist but do not take the method. */
function refuseOtherMethods(app: Hono): void {
  const methods = new Map<string, string[]>();
  for (const { path, method } of app.routes) methods.set(path, [...(methods.get(path) ?? []), method]);
  for (const [path, allowed] of methods) {
    const allow = allowed.includes('GET') ? [...allowed, 'HEAD'].join(', ') : allowed.join(', ');
    app.all(path, (c) => {
      const message = `${c.req.path.slice(0, 200)} does not take ${c.req.method}`;
      return c.json({ error: { code: 'bad-usage', message, hint: `use ${allow}` } }, 405, { allow });
    });
  }
}

/** 43 KB that few requests want. */
function loadDocuments(): Promise<typeof import('./openapi-for.ts')> {
  return import('./openapi-for.ts');
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** The body, refused as soon as it is known to be too large. */
async function readBody(c: Context, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(c.req.header('content-length') ?? 0);
  if (announced > maxBytes) throw tooLarge(announced, maxBytes);
  const body = new Uint8Array(await c.req.arrayBuffer());
  if (body.length > maxBytes) throw tooLarge(body.length, maxBytes);
  return body;
}

function tooLarge(bytes: number, maxBytes: number): HimplosError {
  return new HimplosError('too-large', `request: expected at most ${maxBytes} bytes, got ${bytes}`, {
    hint: 'send the samples in several requests',
  });
}

function mediaTypeOf(c: Context): string {
  return (c.req.header('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
}

function unknownAddress(c: Context): HimplosError {
  return new HimplosError('not-found', `there is no ${c.req.method} ${c.req.path.slice(0, 200)}`, {
    hint: 'GET /openapi.json lists what there is',
  });
}
