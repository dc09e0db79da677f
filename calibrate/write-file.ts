import { randomUUID } from 'node:crypto';
import { access, link, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HimplosError } from '../shared/errors.ts';
import { writeDurably } from '../shared/store/file-change.ts';
import { hasCode, storageError, throwIfAborted } from '../shared/store/file-errors.ts';
import type { ObjectBody } from '../shared/store/object-store.ts';

/**
 * Writes a new file, whole or not at all. Throws `conflict` when there is one of that name, `unavailable` when the disk
 * is full or fails, `interrupted` when `signal` aborts.
 */
export async function writeNewFile(path: string, body: ObjectBody, signal: AbortSignal): Promise<void> {
  const staging = join(dirname(path), `.${basename(path).slice(0, 100)}.${randomUUID()}`);
  try {
    await writeDurably(staging, body, signal);
    throwIfAborted(signal);
    await link(staging, path); // unlike a rename, it never replaces a file
  } catch (cause) {
    throw hasCode(cause, 'EEXIST') ? occupied(path, cause) : storageError(cause, `writing ${path}`);
  } finally {
    await rm(staging, { force: true });
  }
}

/**
 * Throws `conflict` when there is a file already and `not-found` when there is no folder for it: to be asked before long
 * work starts.
 */
export async function requireVacantFile(path: string): Promise<void> {
  if (await isThere(path)) throw occupied(path);
  const folder = dirname(path);
  if (await isThere(folder)) return;
  throw new HimplosError('not-found', `cannot write ${path}: there is no folder ${folder}`, {
    hint: 'make the folder first, or name a file elsewhere',
  });
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function occupied(path: string, cause?: unknown): HimplosError {
  return new HimplosError('conflict', `cannot write ${path}: there is a file of that name`, {
    hint: 'name another file, or remove that one first',
    cause,
  });
}
