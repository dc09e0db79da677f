import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HimplosError } from '../errors.ts';
import { changeFile, sweepStaging } from './file-change.ts';
import { hasCode, storageError, throwIfAborted } from './file-errors.ts';
import { hashFile, readFileRange, readWholeFile, streamFile } from './file-reading.ts';
import { requireKey, requirePrefix } from './keys.ts';
import type { CallOptions, ListedObject, ObjectStore, PutOptions } from './object-store.ts';

/**
 * A folder as an object store, safe under concurrent processes and crashes (rationale.md says how). The folder is
 * made by the first write. Etags are the SHA-256 of the content, so `head` reads the whole file.
 */
export function openFileStore(folder: string): ObjectStore {
  const root = resolve(folder);
  const pathOf = (key: string): string => {
    requireKey(key);
    return join(root, ...key.split('/'));
  };

  // Async methods, so that a bad key rejects like every other failure.
  return {
    address: root,
    async get(key, { maxBytes, signal }) {
      return readWholeFile(pathOf(key), maxBytes, signal);
    },
    async getIfChanged(key, etag, { maxBytes, signal }) {
      const object = await readWholeFile(pathOf(key), maxBytes, signal);
      return object.etag === etag ? undefined : object;
    },
    async getRange(key, start, end, { signal } = {}) {
      return readFileRange(pathOf(key), start, end, signal);
    },
    async open(key, options = {}) {
      return streamFile(pathOf(key), options);
    },
    async put(key, body, options = {}) {
      const path = pathOf(key);
      throwIfAborted(options.signal);
      const check = () => requireCondition(path, options);
      return { etag: await changeFile(root, path, { body, check, signal: options.signal }) };
    },
    async head(key, { signal } = {}) {
      return hashFile(pathOf(key), signal);
    },
    list(prefix, options = {}) {
      return list(root, prefix, options);
    },
    async delete(key, { signal } = {}) {
      const path = pathOf(key);
      throwIfAborted(signal);
      // Without the file there is nothing to do, and perhaps no folder to lock it in.
      if (await exists(path)) await changeFile(root, path, { body: undefined, signal });
    },
    async sweep(olderThanMs) {
      return sweepStaging(root, olderThanMs, Date.now());
    },
  };
}

async function requireCondition(path: string, { ifNoneMatch, ifMatch }: PutOptions): Promise<void> {
  if (ifNoneMatch === undefined && ifMatch === undefined) return;
  const current = await hashFile(path);
  if (ifNoneMatch !== undefined && current !== undefined) throw conflict(path, 'it is already there');
  if (ifMatch !== undefined && current?.etag !== ifMatch) {
    throw conflict(path, current === undefined ? 'it is gone' : 'somebody else has changed it');
  }
}

function conflict(path: string, what: string): HimplosError {
  return new HimplosError('conflict', `${path} was not written: ${what}`, {
    hint: 'read it again and decide anew',
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw storageError(error, `looking for ${path}`);
  }
}

async function* list(root: string, prefix: string, { signal }: CallOptions): AsyncGenerator<ListedObject> {
  requirePrefix(prefix);
  const lastSlash = prefix.lastIndexOf('/');
  const keys: string[] = [];
  await collectKeys(root, prefix.slice(0, lastSlash + 1), prefix, keys, signal);
  keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const key of keys) {
    throwIfAborted(signal);
    const path = join(root, ...key.split('/'));
    try {
      const { size, mtimeMs } = await stat(path);
      yield { key, bytes: size, modifiedMs: mtimeMs };
    } catch (error) {
      // Removed since the folder was read.
      if (!hasCode(error, 'ENOENT')) throw storageError(error, `listing ${path}`);
    }
  }
}

/** Adds the keys of all files below `folder` (empty, or ending in a slash) that start with the prefix. */
async function collectKeys(
  root: string,
  folder: string,
  prefix: string,
  keys: string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal);
  const path = join(root, ...folder.split('/'));
  let entries: Awaited<ReturnType<typeof readFolder>>;
  try {
    entries = await readFolder(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return;
    throw storageError(error, `listing ${path}`);
  }
  for (const entry of entries) {
    const key = `${folder}${entry.name}`;
    if (entry.name.startsWith('.')) continue;
    if (entry.isFile() && key.startsWith(prefix)) keys.push(key);
    const below = `${key}/`;
    if (entry.isDirectory() && (below.startsWith(prefix) || prefix.startsWith(below))) {
      await collectKeys(root, below, prefix, keys, signal);
    }
  }
}

function readFolder(path: string) {
  return readdir(path, { withFileTypes: true });
}
