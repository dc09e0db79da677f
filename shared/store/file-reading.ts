import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { HimplosError } from '../errors.ts';
import { storageError, throwIfAborted } from './file-errors.ts';
import type { OpenOptions, StoredObject, StoredStream } from './object-store.ts';

const CHUNK_BYTES = 256 * 1024;
/** Where chunks lie in the same memory one after the other. */
const REUSED_CHUNK_BYTES = 1024 * 1024;

/** A whole file and its etag. Throws `not-found`, `too-large` before reading, `unavailable`, `interrupted`. */
export function readWholeFile(path: string, maxBytes: number, signal?: AbortSignal): Promise<StoredObject> {
  return withFile(path, async (file, size) => {
    if (size > maxBytes) {
      throw new HimplosError('too-large', `${path}: expected at most ${maxBytes} bytes, got ${size}`, {
        hint: 'look at what is stored there, or raise the limit',
      });
    }
    const body = await readBytes(file, path, 0, size, signal);
    return { body, etag: createHash('sha256').update(body).digest('hex') };
  });
}

/** Part of a file. Throws `bad-input` when it does not have these bytes, otherwise as {@link readWholeFile}. */
export function readFileRange(
  path: string,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  return withFile(path, async (file, size) => {
    if (!Number.isSafeInteger(start) || start < 0 || start > end || end > size) {
      throw new HimplosError('bad-input', `${path}: bytes ${start} to ${end} are not in its ${size} bytes`, {
        hint: 'the file is shorter than it should be',
      });
    }
    return readBytes(file, path, start, end, signal);
  });
}

/** A file as a stream. The file stays open until the iteration ends, however it ends: callers must iterate. */
export async function streamFile(path: string, options: ChunkOptions = {}): Promise<StoredStream> {
  throwIfAborted(options.signal);
  const { file, size } = await openFile(path);
  return { bytes: size, chunks: chunksOf(file, path, size, options) };
}

/** SHA-256 of a file's content and its length, or undefined where there is no such file. */
export async function hashFile(
  path: string,
  signal?: AbortSignal,
): Promise<{ bytes: number; etag: string } | undefined> {
  try {
    const hash = createHash('sha256');
    const { bytes, chunks } = await streamFile(path, {
      reusesChunks: true,
      ...(signal !== undefined && { signal }),
    });
    for await (const chunk of chunks) hash.update(chunk);
    return { bytes, etag: hash.digest('hex') };
  } catch (error) {
    if (error instanceof HimplosError && error.code === 'not-found') return undefined;
    throw error;
  }
}

interface ChunkOptions extends OpenOptions {
  readonly chunkBytes?: number;
}

async function* chunksOf(
  file: FileHandle,
  path: string,
  size: number,
  {
    signal,
    reusesChunks = false,
    memory,
    chunkBytes = reusesChunks || memory !== undefined ? REUSED_CHUNK_BYTES : CHUNK_BYTES,
  }: ChunkOptions,
): AsyncGenerator<Uint8Array> {
  const lent = memory !== undefined && memory.length >= size ? memory : undefined;
  // Two, so that one can be read into while the other is used.
  const reused: Uint8Array[] = [];
  const makeRoom = (at: number, length: number): Uint8Array => {
    if (lent !== undefined) return lent.subarray(at, at + length);
    if (!reusesChunks) return new Uint8Array(length);
    const turn = (at / chunkBytes) % 2;
    reused[turn] ??= new Uint8Array(Math.min(chunkBytes, size));
    return reused[turn].subarray(0, length);
  };
  const read = async (at: number): Promise<Uint8Array> => {
    const bytes = makeRoom(at, Math.min(chunkBytes, size - at));
    await fill(bytes, file, path, at, signal);
    return bytes;
  };
  let ahead: Promise<Uint8Array> | undefined;
  try {
    for (let at = 0; at < size; at += chunkBytes) {
      const bytes = await (ahead ?? read(at));
      const next = at + chunkBytes;
      const isAhead = reusesChunks || lent !== undefined; // what is in memory already
      ahead = isAhead && next < size ? read(next) : undefined;
      ahead?.catch(() => {}); // thrown where it is waited for, if anybody gets there
      yield bytes;
    }
  } catch (error) {
    throw storageError(error, `reading ${path}`);
  } finally {
    await ahead?.catch(() => {});
    await file.close();
  }
}

async function withFile<T>(path: string, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  const { file, size } = await openFile(path);
  try {
    return await use(file, size);
  } catch (error) {
    throw storageError(error, `reading ${path}`);
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<{ readonly file: FileHandle; readonly size: number }> {
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await file.stat();
    if (info.isFile()) return { file, size: info.size };
    await file.close();
  } catch (error) {
    throw storageError(error, `reading ${path}`);
  }
  throw new HimplosError('not-found', `${path} is not a file`, { hint: 'check the path' });
}

async function readBytes(
  file: FileHandle,
  path: string,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  await fill(bytes, file, path, start, signal);
  return bytes;
}

/** Reads bytes from `start` on. */
async function fill(
  bytes: Uint8Array,
  file: FileHandle,
  path: string,
  start: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let filled = 0;
  while (filled < bytes.length) {
    throwIfAborted(signal);
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) {
      throw new HimplosError('unavailable', `${path} became shorter while it was read`, {
        hint: 'read it again',
      });
    }
    filled += bytesRead;
  }
}
