import type { Readable } from 'node:stream';
import { type Extract, extract } from 'tar-stream';
import { HimplosError } from '../../shared/errors.ts';
import type { SourceLimits } from './limits.ts';

type Entry = Extract extends AsyncIterable<infer Item> ? Item : never;

/** What file systems take as a path. */
const MAX_PATH = 4096;

/** A file or folder of an archive. */
export interface TarEntry {
  /** Relative, without `.` and `..`, without a slash at either end. */
  readonly path: string;
  readonly isFolder: boolean;
  /** The content, at most `limits.imageBytes`; only before the next entry is asked for. */
  readonly read: () => Promise<Uint8Array>;
}

/**
 * The entries of a tar, streamed. Nothing is written anywhere, but a name is a promise to whoever unpacks the same
 * archive, and a link or a device is not an image: `..`, absolute paths, links and devices are refused by name.
 * @param address for messages
 * @param bytes the unpacked archive; destroyed when the iteration ends early
 * @throws `bad-input` for those and for a damaged archive; `too-large` past the limits
 */
export async function* tarEntries(
  address: string,
  bytes: Readable,
  limits: SourceLimits,
): AsyncGenerator<TarEntry> {
  const parser = extract();
  bytes.on('error', (error) => parser.destroy(error));
  bytes.pipe(parser);
  let count = 0;
  try {
    for await (const entry of parser) {
      count++;
      if (count > limits.entries) {
        throw new HimplosError('too-large', `${address}: more than ${limits.entries} entries`, {
          hint: 'split it into several archives',
        });
      }
      const { type, path } = checkEntry(address, entry.header.name, entry.header.type);
      if (path !== '') {
        yield { path, isFolder: type === 'directory', read: () => readEntry(address, entry, limits) };
      }
      entry.resume(); // passes over whatever was not read
    }
  } catch (cause) {
    throw explainTarError(cause, address);
  } finally {
    bytes.destroy();
  }
}

function checkEntry(address: string, name: string, type: Entry['header']['type']) {
  const where = `${address}: entry ${JSON.stringify(name.slice(0, 200))}`;
  if (name.length > MAX_PATH) {
    throw new HimplosError(
      'bad-input',
      `${where}…: a path of ${name.length} characters, expected at most ${MAX_PATH}`,
      {
        hint: 'no file system holds such a path: the archive is damaged or made up',
      },
    );
  }
  const segments = name.split('/');
  if (name.startsWith('/') || segments.includes('..')) {
    throw new HimplosError(
      'bad-input',
      `${where} has an absolute path or "..": expected one inside the archive`,
      {
        hint: 'make the archive again with relative paths: tar -C folder -cf archive.tar .',
      },
    );
  }
  if (type !== 'file' && type !== 'contiguous-file' && type !== 'directory') {
    throw new HimplosError(
      'bad-input',
      `${where} is a ${type ?? 'special file'}: expected files and folders`,
      {
        hint: 'make the archive again without links: tar --dereference --hard-dereference -cf archive.tar folder',
      },
    );
  }
  return { type, path: segments.filter((segment) => segment !== '' && segment !== '.').join('/') };
}

async function readEntry(address: string, entry: Entry, limits: SourceLimits): Promise<Uint8Array> {
  const { name, size = 0 } = entry.header;
  if (size > limits.imageBytes) {
    throw new HimplosError(
      'too-large',
      `${address}: entry ${JSON.stringify(name.slice(0, 200))} has ${size} bytes, expected at most ${limits.imageBytes}`,
      { hint: 'is it an image?' },
    );
  }
  // Its own memory, not views of the archive's chunks: those would stay alive with it.
  const bytes = new Uint8Array(size);
  let length = 0;
  for await (const chunk of entry as AsyncIterable<Uint8Array>) {
    bytes.set(chunk, length);
    length += chunk.length;
  }
  return bytes;
}

function explainTarError(cause: unknown, address: string): HimplosError {
  if (cause instanceof HimplosError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const isShort = /unexpected end/i.test(reason);
  return new HimplosError(
    'bad-input',
    isShort ? `${address}: the archive is truncated` : `${address}: not a readable tar archive: ${reason}`,
    { hint: isShort ? 'copy or download it again' : 'expected .tar, or .tar.gz/.tgz of one', cause },
  );
}
