import { createReadStream } from 'node:fs';
import { HimplosError } from '../../shared/errors.ts';
import { explainFileError } from './file-error.ts';

/** The longest line: a path of 4096 bytes and a label fit many times. */
const MAX_LINE_BYTES = 64 * 1024;

/**
 * The lines of a UTF-8 text file, streamed, without their ends (LF or CRLF) and without a byte order mark.
 * Throws `not-found`, `unavailable`, and `bad-input` for a line over 64 KiB or bytes that are not UTF-8.
 * @param chunks the file's bytes, for files that are not on this machine; `path` is then for messages
 */
export async function* readLines(
  path: string,
  chunks: AsyncIterable<Uint8Array> = createReadStream(path) as AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let line = 0;
  try {
    for await (const chunk of chunks) {
      const pieces = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = pieces.pop()!;
      for (const piece of pieces) {
        line++;
        yield piece.endsWith('\r') ? piece.slice(0, -1) : piece;
      }
      if (rest.length > MAX_LINE_BYTES) {
        throw new HimplosError(
          'bad-input',
          `${path}: line ${line + 1} is longer than ${MAX_LINE_BYTES} bytes`,
          {
            hint: 'expected a text file',
          },
        );
      }
    }
    rest += decoder.decode();
    if (rest !== '') yield rest;
  } catch (cause) {
    if (cause instanceof TypeError) {
      throw new HimplosError('bad-input', `${path}: not UTF-8 text (after line ${line})`, {
        hint: 'save the file as UTF-8',
        cause,
      });
    }
    throw explainFileError(cause, path);
  }
}
