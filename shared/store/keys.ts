import { HimplosError } from '../errors.ts';

/** S3's limit, for every store. */
const MAX_KEY_BYTES = 1024;
/** What file systems allow for one name. */
const MAX_SEGMENT_BYTES = 255;

/**
 * Throws `bad-input` unless a key means the same in every store and stays inside it: 1 to 1,024 bytes, segments of
 * 1 to 255 bytes between single slashes, none starting with a dot (which excludes `.` and `..` and keeps room for a
 * store's own files), no control characters or backslashes, well-formed Unicode.
 */
export function requireKey(key: string): void {
  const reason = keyFault(key);
  if (reason !== undefined) throw badName('key', key, reason);
}

/** Whether {@link requireKey} takes it. */
export function isKey(key: string): boolean {
  return keyFault(key) === undefined;
}

/** As {@link requireKey} for the beginning of keys: empty, or whole segments and the start of one more. */
export function requirePrefix(prefix: string): void {
  const reason = prefix === '' ? undefined : keyFault(prefix.replace(/\/$/, ''));
  if (reason !== undefined) throw badName('prefix', prefix, reason);
}

/**
 * Throws `bad-input` unless a name of a detector or channel is plain: letters, digits, `.`, `_` and `-`, starting with a
 * letter or digit, at most 100 characters.
 */
export function requireName(what: 'detector' | 'channel', name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw badName(
      `${what} name`,
      name,
      'expected 1 to 100 letters, digits, ., _ and -, starting with a letter or digit',
    );
  }
}

function keyFault(key: string): string | undefined {
  if (!key.isWellFormed()) return 'it is not well-formed Unicode';
  const encoder = new TextEncoder();
  const bytes = encoder.encode(key).length;
  if (bytes > MAX_KEY_BYTES) return `expected at most ${MAX_KEY_BYTES} bytes, got ${bytes}`;
  for (const segment of key.split('/')) {
    if (segment === '') return 'expected names between single slashes';
    if (segment.startsWith('.')) return 'no part may start with a dot';
    if (encoder.encode(segment).length > MAX_SEGMENT_BYTES)
      return `a part is over ${MAX_SEGMENT_BYTES} bytes`;
    if (hasForbiddenCharacter(segment)) return 'control characters and backslashes are not allowed';
  }
  return undefined;
}

function hasForbiddenCharacter(segment: string): boolean {
  for (let i = 0; i < segment.length; i++) {
    const code = segment.charCodeAt(i);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0x5c) return true;
  }
  return false;
}

function badName(what: string, name: string, reason: string): HimplosError {
  const shown = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
  return new HimplosError('bad-input', `${what} ${shown}: ${reason}`, { hint: 'choose a plainer name' });
}
