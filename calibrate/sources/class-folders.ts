import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HimplosError } from '../../shared/errors.ts';
import { explainFileError } from './file-error.ts';
import { isIgnoredName, isImageName } from './image-names.ts';
import type { Finding, Walk } from './image-source.ts';
import type { SourceLimits } from './limits.ts';
import { readBoundedFile } from './read-file.ts';

/**
 * A folder of class folders (`CLASS/…/image`, at any depth below), or a flat folder of images, which has no
 * labels. The order is that of the paths inside it, compared code unit by code unit; only the names of the
 * folders on the way down are in memory. Links to files and folders are followed.
 * Throws `bad-input` for a folder that holds both images and class folders with images.
 */
export async function openClassFolders(address: string, limits: SourceLimits): Promise<Walk> {
  const top = await list(address);
  const hasImages = top.some(({ isImage }) => isImage);
  if (hasImages) {
    for (const entry of top) {
      if (!entry.isFolder || !(await holdsImage(join(address, entry.name), limits))) continue;
      throw new HimplosError(
        'bad-input',
        `${address}: expected either images or class folders, got images beside the folder ${entry.name}`,
        { hint: 'move the loose images away, or into a class folder' },
      );
    }
  }
  return () => walk(address, hasImages, limits);
}

async function* walk(root: string, isFlat: boolean, limits: SourceLimits): AsyncGenerator<Finding> {
  for (const entry of await list(root)) {
    if (entry.isFolder && !isFlat) {
      yield { kind: 'folder', label: entry.name };
      yield* walkFolder(root, entry.name, entry.name, 1, limits);
    } else {
      yield finding(root, entry, entry.name, undefined, limits);
    }
  }
}

async function* walkFolder(
  root: string,
  folder: string,
  label: string,
  depth: number,
  limits: SourceLimits,
): AsyncGenerator<Finding> {
  requireDepth(root, folder, depth, limits);
  for (const entry of await list(join(root, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isFolder) yield* walkFolder(root, path, label, depth + 1, limits);
    else yield finding(root, entry, path, label, limits);
  }
}

function finding(
  root: string,
  entry: Entry,
  path: string,
  label: string | undefined,
  limits: SourceLimits,
): Finding {
  if (!entry.isImage) return { kind: 'ignored' };
  const read = () => readBoundedFile(join(root, path), limits.imageBytes);
  return { kind: 'image', name: path, label, labelFrom: 'folder', read };
}

async function holdsImage(folder: string, limits: SourceLimits, depth = 1): Promise<boolean> {
  requireDepth(folder, '', depth, limits);
  for (const entry of await list(folder)) {
    if (entry.isImage) return true;
    if (entry.isFolder && (await holdsImage(join(folder, entry.name), limits, depth + 1))) return true;
  }
  return false;
}

interface Entry {
  readonly name: string;
  /** Neither for hidden ones and other files. */
  readonly isFolder: boolean;
  readonly isImage: boolean;
}

/**
 * What a folder holds, in order. A hidden folder counts as one ignored file. A folder compares as its name and a
 * slash, so that going down it gives the order of whole paths.
 */
async function list(folder: string): Promise<readonly Entry[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw explainFileError(cause, folder);
  }
  const listed: { key: string; entry: Entry }[] = [];
  for (const found of entries) {
    const { name } = found;
    const isIgnored = isIgnoredName(name);
    const isFolder = !isIgnored && (await leadsToFolder(folder, found));
    const isImage = !isIgnored && !isFolder && isImageName(name);
    listed.push({ key: isFolder ? `${name}/` : name, entry: { name, isFolder, isImage } });
  }
  return listed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ entry }) => entry);
}

async function leadsToFolder(folder: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  try {
    return (await stat(join(folder, entry.name))).isDirectory();
  } catch {
    return false; // a broken link: an error only if it is named as an image, when it is read
  }
}

function requireDepth(root: string, folder: string, depth: number, limits: SourceLimits): void {
  if (depth <= limits.depth) return;
  throw new HimplosError('too-large', `${join(root, folder)}: more than ${limits.depth} folders deep`, {
    hint: 'does a link lead back up?',
  });
}
