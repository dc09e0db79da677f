import { HimplosError } from '../../shared/errors.ts';
import { decodeBase64 } from '../../shared/protocol/base64.ts';
import { describe, field, parseDocument, requireObject } from '../../shared/protocol/json-document.ts';
import { badRequest } from '../../shared/protocol/limits.ts';
import { readDetail, readRate, type ScoreOptions } from '../../shared/protocol/score-request.ts';

/** Images of one request. */
export const MAX_IMAGES = 64;

/** Encoded images as they came, or references to them. */
export interface ImageRequest extends ScoreOptions {
  /** At least one: bytes, or the address of an object. */
  readonly images: readonly (Uint8Array | string)[];
}

/**
 * Reads the body of `POST /v1/images`: one image as it is (`image/…`), a form with a file for each, or JSON with
 * base64 or `s3://` addresses.
 * @param contentType as sent, with parameters
 * @param query `detail` and `fdr` of the address
 * Throws `unsupported` for another media type, otherwise `bad-input` or `too-large`.
 */
export async function readImageRequest(
  body: Uint8Array,
  contentType: string,
  query: Readonly<Record<string, string | undefined>>,
): Promise<ImageRequest> {
  const options = {
    isDetailed: readDetail(query.detail, 'detail'),
    falseDiscoveryRate: readRate(query.fdr === undefined ? undefined : Number(query.fdr), 'fdr', query.fdr),
  };
  const mediaType = contentType.split(';')[0]!.trim().toLowerCase();
  if (mediaType === '' || mediaType === 'application/json') {
    return readImageDocument(parseDocument(body), options);
  }
  if (mediaType === 'multipart/form-data') {
    return { ...options, images: checkCount(await readForm(body, contentType)) };
  }
  if (mediaType.startsWith('image/') || mediaType === 'application/octet-stream') {
    if (body.length === 0) throw badRequest('the body is empty', 'send the image file as the body');
    return { ...options, images: [body] };
  }
  throw new HimplosError(
    'unsupported',
    `request refused: unknown media type ${JSON.stringify(mediaType.slice(0, 80))}`,
    { hint: 'send image/…, application/octet-stream, multipart/form-data or application/json' },
  );
}

/** Reads the JSON form, which is also what a direct invocation is given. Throws `bad-input` or `too-large`. */
export function readImageDocument(
  value: unknown,
  given: ScoreOptions = { isDetailed: false, falseDiscoveryRate: undefined },
): ImageRequest {
  const document = requireObject(value, ['images', 'detail', 'fdr'], 'body');
  const list = field(document, 'images');
  if (!Array.isArray(list)) throw badRequest(`images: expected an array, got ${describe(list)}`);
  const detail = field(document, 'detail');
  const rate = field(document, 'fdr');
  checkCount(list);
  const images = list.map((entry: unknown, i) => {
    if (typeof entry !== 'string') {
      throw badRequest(`images[${i}]: expected base64 or an s3:// address, got ${describe(entry)}`);
    }
    return /^s3:/i.test(entry) ? entry : decodeBase64(entry, `images[${i}]`);
  });
  return {
    isDetailed: readDetail(detail, 'detail') || given.isDetailed,
    falseDiscoveryRate: rate === undefined ? given.falseDiscoveryRate : readRate(rate, 'fdr', rate),
    images,
  };
}

/** The files of a form (RFC 7578), whatever their fields are called. */
async function readForm(body: Uint8Array, contentType: string): Promise<Uint8Array[]> {
  let form: FormData;
  try {
    const headers = { 'content-type': contentType };
    // The platform's own, which takes 20 ms to load: only forms need it (runtime/plain-messages.ts).
    form = await new globalThis.Response(body as Uint8Array<ArrayBuffer>, { headers }).formData();
  } catch (cause) {
    throw badRequest('the body is not the form that its Content-Type announces', undefined, cause);
  }
  const files: File[] = [];
  for (const [name, value] of form) {
    if (typeof value === 'string') {
      throw badRequest(
        `form field ${JSON.stringify(name.slice(0, 50))}: expected a file`,
        'options go into the address',
      );
    }
    files.push(value);
  }
  checkCount(files);
  return Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer())));
}

function checkCount<T>(images: readonly T[]): readonly T[] {
  if (images.length < 1) throw badRequest('expected at least one image, got none');
  if (images.length <= MAX_IMAGES) return images;
  throw new HimplosError(
    'too-large',
    `request: expected at most ${MAX_IMAGES} images, got ${images.length}`,
    {
      hint: 'send them in several requests',
    },
  );
}
