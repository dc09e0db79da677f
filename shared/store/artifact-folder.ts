import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { ArtifactReader } from '../artifact/load-detector.ts';
import {
  type ArtifactFile,
  encodeManifest,
  MANIFEST_FILE,
  type Manifest,
  type ManifestEntry,
  makeManifest,
} from '../artifact/manifest.ts';
import { HimplosError } from '../errors.ts';
import { PART_BYTES } from './body-parts.ts';
import { removeEmptyFolders, syncFolder, writeDurably } from './file-change.ts';
import { hasCode, storageError, throwIfAborted } from './file-errors.ts';
import { readWholeFile, streamFile } from './file-reading.ts';
import { bodyBytes, type ObjectBody, type StreamBody } from './object-store.ts';

/** Reads a version from a folder that {@link writeArtifactFolder} made; see `loadDetector`. */
export function openArtifactFolder(folder: string): ArtifactReader {
  return {
    address: folder,
    read: async (file, maxBytes) => (await readWholeFile(join(folder, file), maxBytes)).body,
  };
}

/** One file of such a folder as a stream, unchecked. */
export function artifactFileBody(folder: string, { name, bytes }: ManifestEntry): StreamBody {
  async function* open(): AsyncGenerator<Uint8Array> {
    yield* (await streamFile(join(folder, name), { chunkBytes: PART_BYTES })).chunks;
  }
  return { bytes, open };
}

/**
 * Writes a version into a folder of its own: everything goes into a new folder beside it, which takes its name when all
 * is on the disk. The folder must not exist yet, or be empty. On failure, abort or exit of the process nothing stays
 * behind. Throws `conflict` when something is there already, `unavailable` when the disk fails or is full,
 * `interrupted` when `signal` aborts.
 */
export async function writeArtifactFolder(
  folder: string,
  files: readonly { readonly name: ArtifactFile; readonly body: ObjectBody }[],
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Manifest> {
  await requireVacantFolder(folder);
  const target = await realPath(folder);
  const staging = join(dirname(target), `.${basename(target).slice(0, 100)}.${randomUUID()}`);
  const removeStaging = () => rmSync(staging, { recursive: true, force: true });
  process.once('exit', removeStaging);
  let firstMade: string | undefined;
  let isDone = false;
  try {
    firstMade = await mkdir(staging, { recursive: true });
    const entries: ManifestEntry[] = [];
    for (const { name, body } of files) {
      const sha256 = await writeDurably(join(staging, name), body, signal);
      entries.push({ name, bytes: bodyBytes(body), sha256 });
    }
    const manifest = makeManifest(entries);
    await writeDurably(join(staging, MANIFEST_FILE), encodeManifest(manifest), signal);
    await syncFolder(staging);
    throwIfAborted(signal);
    await rename(staging, target);
    isDone = true;
    await syncFolder(dirname(target));
    return manifest;
  } catch (error) {
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'))
      throw occupied(folder, 'something was written there meanwhile', error);
    throw storageError(error, `writing ${folder}`);
  } finally {
    process.off('exit', removeStaging);
    await rm(staging, { recursive: true, force: true });
    if (!isDone && firstMade !== undefined) await removeEmptyFolders(dirname(staging), dirname(firstMade));
  }
}

/** Throws `conflict` unless the folder is absent or empty: to be asked before a long calibration starts. */
export async function requireVacantFolder(folder: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    if (hasCode(error, 'ENOTDIR')) throw occupied(folder, 'it is a file', error);
    throw storageError(error, `looking into ${folder}`);
  }
  if (names.includes(MANIFEST_FILE)) throw occupied(folder, 'it already holds a detector');
  if (names.length > 0) throw occupied(folder, `it is not empty (it has ${names.slice(0, 3).join(', ')})`);
}

function occupied(folder: string, what: string, cause?: unknown): HimplosError {
  return new HimplosError('conflict', `cannot write a detector to ${folder}: ${what}`, {
    hint: 'name a folder that does not exist yet; detectors are never overwritten',
    cause,
  });
}

/** The folder a link leads to: a rename would replace the link itself. */
async function realPath(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return resolve(folder);
    throw storageError(error, `looking for ${folder}`);
  }
}
