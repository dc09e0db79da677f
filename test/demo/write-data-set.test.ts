import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSource } from '../../calibrate/sources/open-source.ts';
import { drawKnown, drawUnknown, unknownSetNames } from '../../demo/drawing/data-set.ts';
import { prepareFolder } from '../../demo/prepare-folder.ts';
import { dataSetPaths, writeDataSet } from '../../demo/write-data-set.ts';

const sizes = { trainPerClass: 3, calibrationPerClass: 2, testPerClass: 1, unknownPerSet: 2 };

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'himplos-demo-'));
});

afterEach(() => rm(folder, { recursive: true }));

describe('writing the data set', () => {
  it('makes sources that himplos reads, with the pictures as drawn', async () => {
    await writeDataSet(folder, sizes, new AbortController().signal);
    for (const [part, perClass] of [
      ['train', 3],
      ['calibration', 2],
      ['test', 1],
    ] as const) {
      const pictures = await readPictures(join(folder, dataSetPaths[part]));
      const drawn = [...drawKnown(part, perClass)];
      expect(pictures.map(({ name }) => name)).toEqual(drawn.map(({ path }) => path));
      expect(pictures.map(({ label }) => label)).toEqual(drawn.map(({ path }) => path.split('/')[0]));
      expect(pictures.map(({ pixels }) => pixels)).toEqual(drawn.map(({ picture }) => picture));
    }
    expect(await readdir(join(folder, 'unknown'))).toEqual([...unknownSetNames].sort());
    for (const set of unknownSetNames) {
      const pictures = await readPictures(join(folder, dataSetPaths.unknown(set)));
      expect(pictures.map(({ pixels }) => pixels)).toEqual(
        [...drawUnknown(set, 2)].map(({ picture }) => picture),
      );
    }
  });

  it('stops when it is told to', async () => {
    const many = { ...sizes, trainPerClass: 100 };
    const reason = new Error('enough');
    await expect(writeDataSet(folder, many, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(await readdir(folder)).not.toContain('calibration.tar');
  });
});

describe('the folder for the results', () => {
  it('replaces what an earlier run left', async () => {
    const results = join(folder, 'results');
    await prepareFolder(results);
    await writeFile(join(results, 'scores.jsonl'), 'old');
    await prepareFolder(results);
    expect(await readdir(results)).toEqual(['README.txt']);
  });

  it("never touches somebody else's files", async () => {
    await writeFile(join(folder, 'thesis.txt'), 'mine');
    await expect(prepareFolder(folder)).rejects.toMatchObject({ code: 'conflict' });
    expect(await readFile(join(folder, 'thesis.txt'), 'utf8')).toBe('mine');
  });
});

async function readPictures(
  address: string,
): Promise<{ name: string; label: string | undefined; pixels: Uint8Array }[]> {
  const source = await openSource(address);
  if (source.kind !== 'images') throw new Error(`${address}: expected images`);
  const pictures = [];
  for await (const { name, label, bytes } of source.samples()) {
    const pixels = new Uint8Array(await sharp(bytes).raw().toBuffer());
    pictures.push({ name, label, pixels });
  }
  return pictures;
}
