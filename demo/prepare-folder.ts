import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HimplosError } from '../shared/errors.ts';

/** In a folder with this text the demo may delete. */
const NOTE = {
  name: 'README.txt',
  text: 'Written by the demo of himplos, which empties this folder when it starts.\n',
};

/**
 * Makes an empty folder for the demo's results, in place of those of an earlier run.
 * Throws `conflict` for a folder that holds anything else.
 */
export async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names = await readdir(folder);
  if (names.length > 0 && !(await isOwn(folder))) {
    throw new HimplosError(
      'conflict',
      `${folder}: expected an empty folder, got one that the demo did not write`,
      {
        hint: 'name another one: npm run demo -- --out FOLDER',
      },
    );
  }
  for (const name of names) await rm(join(folder, name), { recursive: true });
  await writeFile(join(folder, NOTE.name), NOTE.text);
}

function isOwn(folder: string): Promise<boolean> {
  return readFile(join(folder, NOTE.name), 'utf8').then(
    (text) => text === NOTE.text,
    () => false,
  );
}
