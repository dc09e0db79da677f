import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { drawKnown, drawUnknown, type NamedPicture, unknownSetNames } from './drawing/data-set.ts';
import { encodePicture } from './png.ts';

/** Where the parts of the data set lie, below its folder. */
export const dataSetPaths = {
  /** A tar of class folders, and so is the next one. */
  train: 'train.tar',
  calibration: 'calibration.tar',
  /** A folder of class folders. */
  test: 'test',
  /** A folder of images. */
  unknown: (set: string) => `unknown/${set}`,
} as const;

/**
 * How many pictures each part has. Those of `train` are among the ones the network learned from, as a user's
 * training data would be.
 */
export const dataSetSizes = { trainPerClass: 200, calibrationPerClass: 80, testPerClass: 40, unknownPerSet: 200 };

/** Pictures encoded at a time: enough to keep the encoder's threads busy. */
const BATCH = 64;

/** Draws the whole data set into a folder. The pixels are the same each time; the files as the encoder makes them. */
export async function writeDataSet(folder: string): Promise<void> {
  const { trainPerClass, calibrationPerClass, testPerClass, unknownPerSet } = dataSetSizes;
  await writeTar(join(folder, dataSetPaths.train), drawKnown('train', trainPerClass));
  await writeTar(join(folder, dataSetPaths.calibration), drawKnown('calibration', calibrationPerClass));
  await writeFolder(join(folder, dataSetPaths.test), drawKnown('test', testPerClass));
  for (const set of unknownSetNames) {
    await writeFolder(join(folder, dataSetPaths.unknown(set)), drawUnknown(set, unknownPerSet));
  }
}

async function writeTar(path: string, pictures: Iterable<NamedPicture>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const archive = pack();
  const written = pipeline(archive, createWriteStream(path));
  for await (const { path: name, bytes } of encodeAll(pictures)) {
    archive.entry({ name, mtime: new Date(0) }, Buffer.from(bytes));
  }
  archive.finalize();
  await written;
}

async function writeFolder(folder: string, pictures: Iterable<NamedPicture>): Promise<void> {
  const made = new Set<string>();
  for await (const { path, bytes } of encodeAll(pictures)) {
    const target = join(folder, path);
    if (!made.has(dirname(target))) await mkdir(dirname(target), { recursive: true });
    made.add(dirname(target));
    await writeFile(target, bytes);
  }
}

async function* encodeAll(
  pictures: Iterable<NamedPicture>,
): AsyncGenerator<{ readonly path: string; readonly bytes: Uint8Array }> {
  const iterator = pictures[Symbol.iterator]();
  for (;;) {
    const batch = iterator.take(BATCH).toArray();
    if (batch.length === 0) return;
    yield* await Promise.all(
      batch.map(async ({ path, picture }) => ({ path, bytes: await encodePicture(picture) })),
    );
  }
}
