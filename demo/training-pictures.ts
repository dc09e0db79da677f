/**
 * Draws what `train.py` learns from: `node demo/training-pictures.ts FOLDER`. Writes `train.u8` (1,000 pictures of
 * each class) and `validation.u8` (100 of each): the pictures' bytes one after the other, class after class.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { classNames, drawKnown, type Split } from './drawing/data-set.ts';

const folder = process.argv[2];
if (folder === undefined) {
  process.stderr.write('expected a folder: node demo/training-pictures.ts FOLDER\n');
  process.exit(2);
}
await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'classes.txt'), `${classNames.join('\n')}\n`);
await writePictures('train', 1000);
await writePictures('validation', 100);

async function writePictures(split: Split, perClass: number): Promise<void> {
  const bytes = drawKnown(split, perClass).map(({ picture }) => picture);
  await pipeline(bytes, createWriteStream(join(folder!, `${split}.u8`)));
}
