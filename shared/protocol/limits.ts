import { HimplosError } from '../errors.ts';

/** A Lambda event has at most 6 MB; a body in it is base64 at worst. Everything else is bounded by it. */
export const MAX_BODY_BYTES = 6 * 1024 * 1024;
/** Samples of one request. */
export const MAX_ROWS = 4096;
/** Documents of requests are flat: this is twice what any of them needs. */
export const MAX_JSON_DEPTH = 16;

/** Features of one request, checked: rows × L, row-major, finite. */
export interface FeatureBatch {
  readonly rows: number;
  readonly features: Float32Array;
}

/** Throws `bad-input` for no samples at all, `too-large` for more than MAX_ROWS. */
export function checkRows(rows: number): void {
  if (rows < 1) throw badRequest('expected at least one sample, got none');
  if (rows > MAX_ROWS) {
    throw new HimplosError('too-large', `request: expected at most ${MAX_ROWS} samples, got ${rows}`, {
      hint: 'send them in several requests',
    });
  }
}

/** Throws `bad-input` unless samples have the width the detector was calibrated for. */
export function checkWidth(got: number, width: number, where = 'features'): void {
  if (got === width) return;
  throw badRequest(
    `${where}: expected ${width} numbers a sample, got ${got}`,
    "send the classifier's penultimate features: GET /v1/detector says how many",
  );
}

/** The error for a request that is not understood. */
export function badRequest(
  what: string,
  hint = 'see /openapi.json for what a request looks like',
  cause?: unknown,
): HimplosError {
  return new HimplosError('bad-input', `request refused: ${what}`, { hint, cause });
}
