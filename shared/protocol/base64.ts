import { decodeBase64 as decode } from '../formats/base64.ts';
import { badRequest } from './limits.ts';

/** Bytes of base64 (RFC 4648, padded). Throws `bad-input`. */
export function decodeBase64(text: string, where: string): Uint8Array<ArrayBuffer> {
  try {
    return decode(text);
  } catch (cause) {
    throw badRequest(`${where}: it is not base64`, 'use the alphabet of RFC 4648 with padding', cause);
  }
}
