import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { ChunkReader } from '../../functions/bulk/chunk-reader.ts';
import { OutputSpool } from '../../functions/bulk/output-spool.ts';
import { readListing } from '../../functions/bulk/score-listing.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { calibrateDemoDetector } from '../calibrate/demo-detector.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { startFakeS3 } from '../servers/fake-s3.ts';
import { imageServer } from './image-server.ts';

it('a listing goes on after an image that the model has no finite features for', async () => {
  const demo = await calibrateDemoDetector(newFolder());
  const name = readdirSync(demo.test, { recursive: true, encoding: 'utf8' }).find((path) =>
    /\.png$/.test(path),
  )!;
  const picture = readFileSync(join(demo.test, name));
  const { width, height } = await sharp(picture).metadata();
  const black = await sharp({ create: { width, height, channels: 3, background: 'black' } })
    .png()
    .toBuffer();
  // Black is 0 and stays 0; everything else overflows.
  const preprocessing = { resize: null, crop: null, mean: [0, 0, 0], std: [1e-38, 1e-38, 1e-38] } as const;
  const { serving } = await imageServer(demo.detector, { preprocessing });

  const s3 = await startFakeS3();
  try {
    const { endpoint, credentials } = s3;
    const store = openS3Store('s3://bucket', { endpoint, credentials });
    const keys = ['inbox/0.png', 'inbox/1.png', 'inbox/2.png'];
    for (const [i, key] of keys.entries()) await store.put(key, i === 1 ? picture : black);
    const listing = (async function* () {
      yield new TextEncoder().encode(`${keys.join('\n')}\n`);
    })();
    const reader = new ChunkReader(listing, () => undefined);
    await using spool = await OutputSpool.open(1e6);
    const [tally, scored] = [{ refused: 0 }, [] as number[]];
    const signal = new AbortController().signal;
    for await (const { firstRow, features } of readListing(reader, store, serving, spool, tally, signal)) {
      expect(features.every(Number.isFinite)).toBe(true);
      scored.push(firstRow);
    }
    expect([scored, tally]).toEqual([[0, 2], { refused: 1 }]);
    expect(JSON.parse(await text(spool.body().open()))).toEqual({
      row: 1,
      id: 'inbox/1.png',
      error: {
        code: 'bad-input',
        message: expect.stringMatching(/^the model gives (NaN|-?Infinity) as feature \d+$/),
      },
    });
  } finally {
    await s3.close();
  }
});
