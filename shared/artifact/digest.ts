/**
 * SHA-256 of the parts one after another, as 64 lower-case hexadecimal digits. Uses the platform's own Web Crypto,
 * which works on the whole input at once: several parts are copied together first.
 */
export async function sha256Hex(...parts: readonly Uint8Array[]): Promise<string> {
  // The type admits shared memory, which Web Crypto refuses; nothing here ever lies in shared memory.
  const input = (parts.length === 1 ? parts[0] : concatenate(parts)) as Uint8Array<ArrayBuffer>;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', input));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Whether a text has the form of {@link sha256Hex}'s results. */
export function isSha256Hex(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
