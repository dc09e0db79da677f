import { type FileHandle, open } from 'node:fs/promises';
import { HimplosError } from '../../shared/errors.ts';
import { explainFileError } from './file-error.ts';

/**
 * A whole file of at most `limit` bytes. Its size is checked before anything is allocated, and no more is read
 * than it had then. Throws `not-found`, `unavailable`, `too-large`, or `bad-input` for what is not a file.
 */
export async function readBoundedFile(path: string, limit: number): Promise<Uint8Array> {
  return withFile(path, async (file, size) => {
    if (size > limit) {
      throw new HimplosError('too-large', `${path}: ${size} bytes, expected at most ${limit}`, {
        hint: 'is it what its name says?',
      });
    }
    return readStart(file, size);
  });
}

/** The first `limit` bytes of a file (fewer where it is shorter), and its size. Throws as {@link readBoundedFile}. */
export async function readFileStart(
  path: string,
  limit: number,
): Promise<{ readonly bytes: Uint8Array; readonly fileBytes: number }> {
  return withFile(path, async (file, fileBytes) => ({
    bytes: await readStart(file, Math.min(limit, fileBytes)),
    fileBytes,
  }));
}

async function withFile<T>(path: string, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  try {
    await using file = await open(path);
    const stats = await file.stat();
    if (!stats.isFile()) {
      throw new HimplosError('bad-input', `${path}: expected a file, got a folder or a device`, {
        hint: 'name a regular file',
      });
    }
    return await use(file, stats.size);
  } catch (cause) {
    throw explainFileError(cause, path);
  }
}

async function readStart(file: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length, size - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}
