import { badRequest } from './limits.ts';

/** Bytes of base64 (RFC 4648, padded). Throws `bad-input`. */
export function decodeBase64(text: string, where: string): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text);
  } catch (cause) {
    throw badRequest(`${where}: it is not base64`, 'use the alphabet of RFC 4648 with padding', cause);
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
