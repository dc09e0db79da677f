import { HimplosError } from '../errors.ts';
import { throwIfAborted } from './file-errors.ts';
import { bodyBytes, type ObjectBody } from './object-store.ts';

/** What large objects are sent in, and files that are to be sent are read in. */
export const PART_BYTES = 8 * 1024 * 1024;

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
  // The last full part waits until it is known whether the body ends there.
  let ready: Uint8Array | undefined;
  let part = new Uint8Array(0);
  let filled = 0;
  let taken = 0;
  for await (const chunk of body.open()) {
    throwIfAborted(signal);
    if (taken + chunk.length > total) throw wrongLength(what, total, 'more');
    for (let at = 0; at < chunk.length; ) {
      if (ready !== undefined) yield ready;
      ready = undefined;
      const wanted = Math.min(partBytes, total - taken);
      if (filled === 0 && chunk.length - at === wanted && body.sha256 !== undefined) {
        // A whole part that is ours to keep: files are read that way, and copying 100 MiB takes 60 ms.
        ready = chunk.subarray(at);
        at = chunk.length;
        taken += wanted;
        continue;
      }
      if (filled === 0) part = new Uint8Array(wanted);
      const piece = chunk.subarray(at, at + part.length - filled);
      part.set(piece, filled);
      filled += piece.length;
      at += piece.length;
      taken += piece.length;
      if (filled < part.length) continue;
      ready = part;
      filled = 0;
    }
  }
  if (taken !== total) throw wrongLength(what, total, taken);
  yield ready ?? part;
}

function wrongLength(what: string, expected: number, got: number | 'more'): HimplosError {
  return new HimplosError('bad-input', `${what}: expected ${expected} bytes, got ${got}`, {
    hint: 'the source changed while it was read',
  });
}
