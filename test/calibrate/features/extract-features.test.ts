import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ExtractOptions, extractFeatures } from '../../../calibrate/features/extract-features.ts';
import type { FeatureExtractor } from '../../../calibrate/features/feature-extractor.ts';
import { Spool } from '../../../calibrate/features/spool.ts';
import type { ImageSource, Sample } from '../../../calibrate/sources/contract.ts';
import type { Preprocessing } from '../../../shared/images/preprocessing.ts';
import { drawImage } from '../commands/small-problem.ts';
import { newFolder } from '../run-command.ts';

const BATCH = 4;
const BLOCK = 10;
const WIDTH = 2;
const { signal } = new AbortController();

/** Which of the 30 images cannot be decoded. */
const BAD = [0, 5, 6, 19];
let samples: Sample[];
const preprocessing: Preprocessing = { resize: null, crop: null, mean: [0, 0, 0], std: [1, 1, 1] };
beforeAll(async () => {
  samples = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => ({
      name: `${i}.png`,
      label: 'grey',
      bytes: BAD.includes(i) ? Buffer.from(`no image ${i}`) : await drawImage([120, 120, 120], i),
    })),
  );
});

const source: ImageSource = {
  kind: 'images',
  address: 'images',
  survey: () => Promise.reject(new Error('not asked for')),
  samples: async function* ({ first, end } = { first: 0, end: samples.length }) {
    yield* samples.slice(first, end);
  },
};

/** Means of two channels; fails once it has computed `limit` batches. */
function extractor(limit = Number.POSITIVE_INFINITY) {
  const computed: number[] = [];
  const featuresOf: FeatureExtractor['featuresOf'] = async ({ rows, height, width, tensor }) => {
    if (computed.length === limit) throw new Error('killed');
    computed.push(rows);
    const size = height * width;
    return Float32Array.from({ length: rows * WIDTH }, (_, i) =>
      tensor
        .subarray(3 * size * Math.floor(i / WIDTH) + (i % WIDTH) * size)
        .reduce((sum, value) => sum + value, 0),
    );
  };
  return {
    computed,
    extractor: { width: WIDTH, batch: BATCH, device: 'webgpu', featuresOf } as unknown as FeatureExtractor,
  };
}

/** What a run is told of rows and of images passed over, each in order. */
async function run(folder: string, of: FeatureExtractor, skipBad = true) {
  const rows: string[] = [];
  const passedOver: string[] = [];
  const spool = await Spool.open(folder, 'key', WIDTH);
  const options: ExtractOptions = {
    ...{ extractor: of, preprocessing, threads: 1, skipBad, signal },
    range: { first: 0, end: samples.length },
    isCut: (position) => (position % BLOCK) % BATCH === 0,
    onBad: (name) => passedOver.push(name),
    onRow: (name, _, digest, position) =>
      rows.push(`${name} ${position} ${Buffer.from(digest).toString('hex')}`),
  };
  try {
    await extractFeatures(source, spool, options);
  } finally {
    await spool.close();
  }
  return { rows, passedOver, bytes: ['f32', 'sha256'].map((kind) => readFileSync(`${folder}/key.${kind}`)) };
}

describe('features of images, after a run that was stopped', () => {
  it.each([1, 2, 3, 5, 8])(
    'go on behind its %i batches, images that cannot be decoded among them',
    async (limit) => {
      const whole = extractor();
      const expected = await run(newFolder(), whole.extractor);
      const folder = newFolder();
      const killed = extractor(limit);
      await expect(run(folder, killed.extractor)).rejects.toThrow('killed');
      const again = extractor();
      expect(await run(folder, again.extractor)).toEqual(expected);
      expect([...killed.computed, ...again.computed]).toEqual(whole.computed);
    },
  );

  it('are not computed again when all are there', async () => {
    const folder = newFolder();
    const expected = await run(folder, extractor().extractor);
    const again = extractor();
    expect(await run(folder, again.extractor)).toEqual(expected);
    expect(again.computed).toEqual([]);
  });

  it('are computed anew from the first image that has changed', async () => {
    const folder = newFolder();
    await run(folder, extractor().extractor);
    const { bytes } = samples[21]!;
    samples[21] = { ...samples[21]!, bytes: await drawImage([1, 2, 3], 7) };
    try {
      const again = extractor();
      const { rows } = await run(folder, again.extractor);
      expect(again.computed).toEqual([4, 4, 2]);
      expect(rows).toEqual((await run(newFolder(), extractor().extractor)).rows);
    } finally {
      samples[21] = { ...samples[21]!, bytes };
    }
  });

  it('end at an image that may not be passed over', async () => {
    const folder = newFolder();
    await run(folder, extractor().extractor);
    await expect(run(folder, extractor().extractor, false)).rejects.toThrow(/0\.png/);
  });
});
