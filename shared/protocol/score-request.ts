import { HimplosError } from '../errors.ts';
import { decodeBase64 } from './base64.ts';
import {
  featuresFromBytes,
  featuresFromJson,
  featuresFromNpy,
  featuresFromSafetensors,
} from './feature-values.ts';
import { describe, field, parseDocument, requireObject } from './json-document.ts';
import { badRequest, type FeatureBatch } from './limits.ts';

/** What a caller may ask for besides scores. */
export interface ScoreOptions {
  /** Reasons for each score. */
  readonly isDetailed: boolean;
  /** Share of false alarms tolerated among a batch's alarms (Benjamini–Hochberg); undefined: not asked for. */
  readonly falseDiscoveryRate: number | undefined;
}

export interface ScoreRequest extends ScoreOptions, FeatureBatch {}

/** Kinds of bodies, by media type. */
export const MEDIA_TYPES = [
  'application/json',
  'application/octet-stream',
  'application/x-npy',
  'application/x-safetensors',
] as const;

/**
 * Reads the body of `POST /v1/score`.
 * @param mediaType as sent, without parameters; empty counts as JSON
 * @param query `detail` and `fdr` of the address
 * Throws `unsupported` for another media type, otherwise `bad-input` or `too-large`.
 */
export function readScoreRequest(
  body: Uint8Array,
  mediaType: string,
  query: Readonly<Record<string, string | undefined>>,
  width: number,
): ScoreRequest {
  const options = {
    isDetailed: readDetail(query.detail, 'detail'),
    falseDiscoveryRate: readRate(query.fdr === undefined ? undefined : Number(query.fdr), 'fdr', query.fdr),
  };
  switch (mediaType) {
    case '':
    case 'application/json':
      return readScoreDocument(parseDocument(body), width, options);
    case 'application/octet-stream':
      return { ...options, ...readBinary(body, width) };
    case 'application/x-npy':
      return { ...options, ...featuresFromNpy(body, width) };
    case 'application/x-safetensors':
      return { ...options, ...featuresFromSafetensors(body, width) };
    default:
      throw new HimplosError(
        'unsupported',
        `request refused: unknown media type ${JSON.stringify(mediaType.slice(0, 80))}`,
        {
          hint: `send ${MEDIA_TYPES.join(', ')}`,
        },
      );
  }
}

/** Reads our own JSON, which is also what a direct invocation is given. Throws `bad-input` or `too-large`. */
export function readScoreDocument(
  value: unknown,
  width: number,
  given: ScoreOptions = { isDetailed: false, falseDiscoveryRate: undefined },
): ScoreRequest {
  const document = requireObject(value, ['features', 'features_base64', 'detail', 'fdr'], 'body');
  const list = field(document, 'features');
  const base64 = field(document, 'features_base64');
  if ((list === undefined) === (base64 === undefined)) {
    throw badRequest('expected either features or features_base64');
  }
  const detail = field(document, 'detail');
  const rate = field(document, 'fdr');
  const options = {
    isDetailed: readDetail(detail, 'detail') || given.isDetailed,
    falseDiscoveryRate: rate === undefined ? given.falseDiscoveryRate : readRate(rate, 'fdr', rate),
  };
  if (list !== undefined) return { ...options, ...featuresFromJson(list, width) };
  if (typeof base64 !== 'string') {
    throw badRequest(`features_base64: expected a string, got ${describe(base64)}`);
  }
  const bytes = decodeBase64(base64, 'features_base64');
  return { ...options, ...featuresFromBytes(bytes, width, 'features_base64') };
}

/** Raw float32, or a .npy file under the general media type: its first byte makes no small float32 number. */
function readBinary(body: Uint8Array, width: number): FeatureBatch {
  const isNpy = body[0] === 0x93 && body[1] === 0x4e && body[2] === 0x55 && body[3] === 0x4d;
  return isNpy ? featuresFromNpy(body, width) : featuresFromBytes(body, width);
}

/** Reads `detail`: `full` or `none`. Throws `bad-input`. */
export function readDetail(value: unknown, where: string): boolean {
  if (value === undefined || value === 'none') return false;
  if (value === 'full') return true;
  throw badRequest(`${where}: expected full or none, got ${describe(value)}`);
}

/** Reads `fdr`, a number between 0 and 1; undefined stays undefined. Throws `bad-input` quoting `shown`. */
export function readRate(value: unknown, where: string, shown: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value > 0 && value < 1) return value;
  throw badRequest(`${where}: expected a number between 0 and 1, got ${describe(shown)}`);
}
