import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HimplosError } from '../errors.ts';
import { hasCode, storageError, throwIfAborted } from './file-errors.ts';
import { bodyBytes, bodyChunks, type ObjectBody } from './object-store.ts';

/** Folder below the store's root for files under way and for locks; keys never start with a dot. */
const STAGING = '.staging';

/** A lock that has not changed hands for this long belongs to a process that died. */
const STALE_LOCK_MS = 2000;

/** Who may change a file, and to what. */
export interface FileChange {
  /** The new content; undefined removes the file. */
  readonly body: ObjectBody | undefined;
  /** Called while nobody else can change the file, right before it changes; throwing leaves it as it is. */
  readonly check?: () => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Changes one file of a store, atomically and after everybody else's changes; resolves to the SHA-256 of the new
 * content. The lock of a path is a folder `.staging/lock-…` that holds one folder of its owner, with the owner's
 * new file in it; taking the lock is a rename of a ready folder onto that name, and the change itself is a rename out
 * of it (or, for a removal, into it). So a process whose lock was taken away, because it looked dead, finds its path
 * gone and changes nothing: the check and the change always happen under one and the same lock. See rationale.md.
 */
export async function changeFile(root: string, path: string, change: FileChange): Promise<string> {
  const staging = join(root, STAGING);
  const owner = randomUUID();
  const prepared = join(staging, owner);
  const lock = join(
    staging,
    `lock-${createHash('sha256').update(path.slice(root.length)).digest('hex').slice(0, 32)}`,
  );
  try {
    await mkdir(join(prepared, owner), { recursive: true });
    const sha256 =
      change.body === undefined
        ? ''
        : await writeDurably(join(prepared, owner, 'new'), change.body, change.signal);
    await takeLock(prepared, lock, staging, change.signal);
    try {
      await change.check?.();
      await commit(lock, owner, path, change.body === undefined);
    } finally {
      await releaseLock(lock, owner);
    }
    if (change.body === undefined) await removeEmptyFolders(dirname(path), root);
    else await syncFolder(dirname(path));
    return sha256;
  } catch (error) {
    throw storageError(error, `${change.body === undefined ? 'removing' : 'writing'} ${path}`);
  } finally {
    await rm(prepared, { recursive: true, force: true });
  }
}

/**
 * Writes a new file and waits until it is on the disk. Resolves to the SHA-256 of its content. Throws `bad-input` when
 * the body is not as long as it says.
 */
export async function writeDurably(path: string, body: ObjectBody, signal?: AbortSignal): Promise<string> {
  // Hashing 100 MiB takes 60 ms: not twice.
  const known = body instanceof Uint8Array ? undefined : body.sha256;
  const hash = known === undefined ? createHash('sha256') : undefined;
  let written = 0;
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  const file = await open(path, 'wx');
  try {
    for await (const chunk of bodyChunks(body)) {
      throwIfAborted(signal);
      hash?.update(chunk);
      written += chunk.length;
      waiting.push(chunk);
      waitingBytes += chunk.length;
      if (known !== undefined && waitingBytes < WRITE_BYTES) continue;
      await writeAll(file, waiting, waitingBytes);
      waiting = [];
      waitingBytes = 0;
    }
    await writeAll(file, waiting, waitingBytes);
    await file.sync();
  } finally {
    await file.close();
  }
  if (written !== bodyBytes(body)) {
    throw new HimplosError('bad-input', `${path}: expected ${bodyBytes(body)} bytes, got ${written}`, {
      hint: 'the source changed while it was read',
    });
  }
  return known ?? hash!.digest('hex');
}

/** Networks give 64 KiB at a time; a call for each of them would take longer than writing them. Other sources reuse buffers. */
const WRITE_BYTES = 1024 * 1024;

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], bytes: number): Promise<void> {
  if (bytes === 0) return;
  const { bytesWritten } = await file.writev(chunks);
  // A disk that fills up takes a part; the rest then says why.
  if (bytesWritten < bytes) await file.writeFile(Buffer.concat(chunks).subarray(bytesWritten));
}

/**
 * Removes files of writers that died, unchanged for longer than `olderThanMs`; resolves to how many there were. Younger
 * ones may belong to a writer at work.
 */
export async function sweepStaging(root: string, olderThanMs: number, nowMs: number): Promise<number> {
  const staging = join(root, STAGING);
  let removed = 0;
  try {
    for (const name of await entriesOf(staging)) {
      const path = join(staging, name);
      if (nowMs - (await stat(path)).ctimeMs <= olderThanMs) continue;
      await rm(path, { recursive: true, force: true });
      removed++;
    }
  } catch (error) {
    // Finished by its writer since the folder was read: nothing is left of it.
    if (!hasCode(error, 'ENOENT')) throw storageError(error, `cleaning ${staging}`);
  }
  return removed;
}

/** Waits until renames inside a folder are on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function takeLock(
  prepared: string,
  lock: string,
  staging: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  let holder: string | undefined;
  let heldSince = performance.now();
  for (let attempt = 0; ; attempt++) {
    throwIfAborted(signal);
    try {
      // Fails while the lock is held: a folder that is not empty cannot be renamed over.
      await rename(prepared, lock);
      return;
    } catch (error) {
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    }
    const [current] = await entriesOf(lock);
    if (current === undefined || current !== holder) {
      holder = current;
      heldSince = performance.now();
    } else if (performance.now() - heldSince > STALE_LOCK_MS) {
      const broken = join(staging, `broken-${randomUUID()}`);
      await rename(lock, broken).catch(ignoreCodes('ENOENT'));
      await rm(broken, { recursive: true, force: true });
    }
    await delay(Math.min(50, 1 + attempt) * (0.5 + Math.random()));
  }
}

async function commit(
  lock: string,
  owner: string,
  path: string,
  isRemoval: boolean,
  isRetry = false,
): Promise<void> {
  try {
    if (isRemoval) await rename(path, join(lock, owner, 'old'));
    else await rename(join(lock, owner, 'new'), path);
  } catch (error) {
    const isLockLost = hasCode(error, 'ENOENT') && !(await entriesOf(lock)).includes(owner);
    if (isLockLost) {
      throw new HimplosError(
        'unavailable',
        `${path}: this process was too slow and lost its turn; nothing was changed`,
        {
          hint: 'run it again',
          cause: error,
        },
      );
    }
    if (!hasCode(error, 'ENOENT') || (isRetry && !isRemoval)) throw error;
    // Removing what is not there is not an error; a folder that a removal found empty is made again.
    if (isRemoval) return;
    await mkdir(dirname(path), { recursive: true });
    await commit(lock, owner, path, isRemoval, true);
  }
}

/** Removes only what is ours: the lock may already be somebody else's. */
async function releaseLock(lock: string, owner: string): Promise<void> {
  await rm(join(lock, owner), { recursive: true, force: true });
  await rmdir(lock).catch(ignoreCodes('ENOENT', 'ENOTEMPTY', 'EEXIST'));
}

/** Removes a folder and those above it, up to but not including `root`, until one is not empty. */
export async function removeEmptyFolders(folder: string, root: string): Promise<void> {
  for (let at = folder; at.length > root.length; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) return;
      throw error;
    }
  }
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function ignoreCodes(...codes: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!hasCode(error, ...codes)) throw error;
  };
}
