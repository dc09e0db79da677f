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

export interface DataSetSizes {
  readonly trainPerClass: number;
  readonly calibrationPerClass: number;
  readonly testPerClass: number;
  readonly unknownPerSet: number;
}

/**
 * How many pictures each part of the demo has. Those of `train` are among the ones the network learned from, as a
 * user's training data would be.
 */
export const dataSetSizes: DataSetSizes = {
  trainPerClass: 200,
  calibrationPerClass: 80,
  testPerClass: 40,
  unknownPerSet: 200,
};

/** Pictures encoded at a time: enough to keep the encoder's threads busy. */
const BATCH = 64;

/**
 * Draws the whole data set into a folder. The pixels are the same each time; the files as the encoder makes them.
 * Throws the signal's reason when it is aborted.
 */
export async function writeDataSet(folder: string, sizes: DataSetSizes, signal: AbortSignal): Promise<void> {
  const { trainPerClass, calibrationPerClass, testPerClass, unknownPerSet } = sizes;
  const encode = (pictures: Iterable<NamedPicture>) => encodeAll(pictures, signal);
  await writeTar(join(folder, dataSetPaths.train), encode(drawKnown('train', trainPerClass)));
  await writeTar(
    join(folder, dataSetPaths.calibration),
    encode(drawKnown('calibration', calibrationPerClass)),
  );
  await writeFolder(join(folder, dataSetPaths.test), encode(drawKnown('test', testPerClass)));
  for (const set of unknownSetNames) {
    await writeFolder(join(folder, dataSetPaths.unknown(set)), encode(drawUnknown(set, unknownPerSet)));
  }
}

interface EncodedPicture {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The few megabytes are gathered first: an archive that is stopped half-way ends the process with an error. */
async function writeTar(path: string, pictures: AsyncIterable<EncodedPicture>): Promise<void> {
  const entries: EncodedPicture[] = [];
  for await (const picture of pictures) entries.push(picture);
  await mkdir(dirname(path), { recursive: true });
  const archive = pack();
  for (const { path: name, bytes } of entries) {
    archive.entry({ name, mtime: new Date(0) }, Buffer.from(bytes));
  }
  archive.finalize();
  await pipeline(archive, createWriteStream(path));
}

async function writeFolder(folder: string, pictures: AsyncIterable<EncodedPicture>): Promise<void> {
  const made = new Set<string>();
  for await (const { path, bytes } of pictures) {
    const target = join(folder, path);
    if (!made.has(dirname(target))) await mkdir(dirname(target), { recursive: true });
    made.add(dirname(target));
    await writeFile(target, bytes);
  }
}

async function* encodeAll(
  pictures: Iterable<NamedPicture>,
  signal: AbortSignal,
): AsyncGenerator<EncodedPicture> {
  let batch: Promise<EncodedPicture>[] = [];
  for (const { path, picture } of pictures) {
    batch.push(encodePicture(picture).then((bytes) => ({ path, bytes })));
    if (batch.length < BATCH) continue;
    signal.throwIfAborted();
    yield* await Promise.all(batch);
    batch = [];
  }
  yield* await Promise.all(batch);
}
