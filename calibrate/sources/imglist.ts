import { dirname, join } from 'node:path';
import { HimplosError } from '../../shared/errors.ts';
import { isImageName } from './image-names.ts';
import type { Finding, Walk } from './image-source.ts';
import type { SourceLimits } from './limits.ts';
import { readBoundedFile } from './read-file.ts';
import { readLines } from './read-lines.ts';

/**
 * A text file with an image a line, `path label`, as OpenOOD's benchmarks are published. Paths are relative to
 * the list's folder and stay inside it; the label is what follows the last space; −1 means none. Empty lines are
 * passed over. Throws `bad-input` naming the line for anything else.
 */
export function openImglist(
  address: string,
  limits: SourceLimits,
  files: ListedFiles = localFiles(address, limits),
): Walk {
  return () => walk(address, files);
}

/** Where a list and its images come from. */
export interface ListedFiles {
  lines(): AsyncIterable<string>;
  /** @param path as in the list */
  read(path: string): Promise<Uint8Array>;
}

function localFiles(address: string, limits: SourceLimits): ListedFiles {
  return {
    lines: () => readLines(address),
    read: (path) => readBoundedFile(join(dirname(address), path), limits.imageBytes),
  };
}

async function* walk(address: string, files: ListedFiles): AsyncGenerator<Finding> {
  let number = 0;
  for await (const line of files.lines()) {
    number++;
    if (line.trim() === '') continue;
    const { path, label } = parseLine(line, `${address}: line ${number}`);
    yield {
      kind: 'image',
      name: path,
      label,
      labelFrom: 'text',
      read: () => files.read(path),
    };
  }
}

function parseLine(line: string, where: string): { path: string; label: string | undefined } {
  const match = /^\s*(\S.*?)[ \t]+(\S+)\s*$/.exec(line);
  const fail = (what: string, hint: string) =>
    new HimplosError('bad-input', `${where}: ${what}, got ${JSON.stringify(line.slice(0, 200))}`, { hint });
  if (match === null) throw fail('expected a path and a label', 'a line reads like: images/cat01.jpg 3');
  const [, path, label] = match as unknown as [string, string, string];
  if (!isImageName(path))
    throw fail('expected the path of an image', 'a line reads like: images/cat01.jpg 3');
  if (path.startsWith('/') || path.split('/').includes('..')) {
    throw fail('expected a path inside the folder of the list', 'put the list above its images');
  }
  return { path, label: label === '-1' ? undefined : label };
}
