import { HimplosError } from '../errors.ts';
import { throwIfAborted } from './file-errors.ts';
import { bodyBytes, bodyChunks, type ObjectBody } from './object-store.ts';

/**
 * Cuts a body into parts of `partBytes` (the last one may be shorter; an empty body has one empty part), each in
 * memory of its own, or, for a body in memory, a view of it. Throws `bad-input` when the body is not as long as it
 * says: before its last part is handed out.
 */
export async function* cutIntoParts(
  body: ObjectBody,
  partBytes: number,
  what: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const total = bodyBytes(body);
  if (body instanceof Uint8Array) {
    for (let at = 0; at === 0 || at < total; at += partBytes) yield body.subarray(at, at + partBytes);
    return;
  }
  let taken = 0;
  let part = new Uint8Array(Math.min(partBytes, total));
  let filled = 0;
  for await (const chunk of bodyChunks(body)) {
    throwIfAborted(signal);
    if (taken + chunk.length > total) throw wrongLength(what, total, 'more');
    taken += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      // Only when more follows: a full last part waits for the end of the body.
      if (filled === part.length) {
        yield part;
        part = new Uint8Array(Math.min(partBytes, total - (taken - chunk.length + at)));
        filled = 0;
      }
      const piece = chunk.subarray(at, at + part.length - filled);
      part.set(piece, filled);
      filled += piece.length;
      at += piece.length;
    }
  }
  if (taken !== total) throw wrongLength(what, total, taken);
  yield part;
}

function wrongLength(what: string, expected: number, got: number | 'more'): HimplosError {
  return new HimplosError('bad-input', `${what}: expected ${expected} bytes, got ${got}`, {
    hint: 'the source changed while it was read',
  });
}
