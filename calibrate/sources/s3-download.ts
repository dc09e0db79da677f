import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeDurably } from '../../shared/store/file-change.ts';
import { storageError } from '../../shared/store/file-errors.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';

/**
 * Copies an object into a temporary folder that goes when the process ends; resolves to the file's path. Features are
 * read in many places and more than once, which files are better at.
 */
export async function downloadObject(
  store: ObjectStore,
  key: string,
  { signal }: CallOptions = {},
): Promise<string> {
  const { bytes, chunks } = await store.open(key, signal === undefined ? {} : { signal });
  const folder = await mkdtemp(join(tmpdir(), 'himplos-s3-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, key);
  try {
    await writeDurably(path, { bytes, open: () => chunks }, signal);
    return path;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw storageError(error, `copying ${store.address}/${key} to ${path}`);
  }
}
