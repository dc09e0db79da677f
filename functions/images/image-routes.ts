import { HimplosError } from '../../shared/errors.ts';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import type { AddRoutes } from '../http/app.ts';
import { answerRequest } from '../http/score.ts';
import type { Observer, ServingDetector } from '../http/service.ts';
import { type ReadReference, refuseReferences } from './image-references.ts';
import { type ImageRequest, readImageRequest } from './image-request.ts';

export interface ImageRouteOptions {
  readonly readReference?: ReadReference;
  /** How long the images of one request may take; asked at its start. */
  readonly budgetMs?: () => number;
}

/** `POST /v1/images`: scores images as `/v1/score` scores their features. */
export function imageRoutes(options: ImageRouteOptions = {}): AddRoutes {
  return (app, { observer, receive }) => {
    app.post('/v1/images', async (c) => {
      const [serving, body] = await receive(c);
      const started = performance.now();
      const request = await readImageRequest(body, c.req.header('content-type') ?? '', c.req.query());
      observer.stage('parse', performance.now() - started);
      return c.json(await answerImages(serving, request, observer, options));
    });
  };
}

/** Answers one request. Throws what `readReference` and `ImageModel.run` throw. */
export async function answerImages(
  serving: ServingDetector,
  request: ImageRequest,
  observer: Observer,
  { readReference = refuseReferences, budgetMs = () => DEFAULT_BUDGET_MS }: ImageRouteOptions,
): Promise<ScoreAnswer> {
  const { images } = serving;
  if (images === undefined) {
    throw new HimplosError('unsupported', 'this detector was calibrated from features: it takes no images', {
      hint: 'POST features to /v1/score',
    });
  }
  const started = performance.now();
  const budget = budgetMs();
  const encoded = await fetchAll(request.images, readReference, budget);
  const features = await images.run(encoded, budget - (performance.now() - started));
  observer.stage('images', performance.now() - started);
  return answerRequest(serving, { ...request, rows: encoded.length, features }, observer);
}

const DEFAULT_BUDGET_MS = 30_000;
/** References fetched at a time. */
const LANES = 4;
/** Of all images of a request: two full batches of photographs, a fraction of a function's memory. */
const MAX_TOTAL_BYTES = 64 * 2 ** 20;

async function fetchAll(
  images: readonly (Uint8Array | string)[],
  read: ReadReference,
  budgetMs: number,
): Promise<Uint8Array[]> {
  const signal = AbortSignal.timeout(Math.max(1, Math.floor(budgetMs)));
  const fetched: Uint8Array[] = [];
  let next = 0;
  let total = 0;
  const lane = async () => {
    while (next < images.length) {
      const index = next++;
      const image = images[index]!;
      const bytes = typeof image === 'string' ? await read(image, `images[${index}]`, signal) : image;
      total += bytes.length;
      if (total > MAX_TOTAL_BYTES) {
        throw new HimplosError('too-large', `images: expected at most ${MAX_TOTAL_BYTES} bytes in all`, {
          hint: 'send them in several requests',
        });
      }
      fetched[index] = bytes;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return fetched;
}
