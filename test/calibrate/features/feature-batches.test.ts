import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Classifier, openClassifier } from '../../../calibrate/features/classifier.ts';
import { featureBatches, sessionsFor } from '../../../calibrate/features/feature-batches.ts';
import { imageBatches } from '../../../calibrate/images/image-batches.ts';
import type { ImageSource, Sample } from '../../../calibrate/sources/contract.ts';
import type { Preprocessing } from '../../../shared/images/preprocessing.ts';
import { DEMO_MODEL } from '../demo-detector.ts';
import { drawJpeg, drawPng } from '../images/draw-image.ts';

const preprocessing: Preprocessing = {
  ...{ resize: null, crop: null },
  ...{ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
};
let classifier: Classifier;
let samples: Sample[];

beforeAll(async () => {
  classifier = await openClassifier(DEMO_MODEL, { device: 'cpu', threads: 1 });
  samples = await Promise.all(
    Array.from({ length: 41 }, async (_, i) => ({
      ...{ name: `${i}.img`, label: undefined },
      bytes: i === 17 ? new Uint8Array(9) : await (i % 2 === 0 ? drawPng : drawJpeg)(48, 48, i),
    })),
  );
});
afterAll(() => classifier[Symbol.asyncDispose]());

function sourceOf(given: readonly Sample[]): ImageSource {
  return {
    ...{ kind: 'images', address: 'memory' },
    survey: () => Promise.reject(new Error('not surveyed')),
    async *samples() {
      yield* given;
    },
  };
}

async function gather(threads: number, given = samples, how = preprocessing) {
  const names: string[] = [];
  const features: number[] = [];
  const options = { preprocessing: how, threads, skipBad: true };
  for await (const batch of featureBatches(sourceOf(given), classifier, options)) {
    expect(batch.features.length).toBe(batch.rows * classifier.width);
    names.push(...batch.names);
    features.push(...batch.features);
  }
  return { names, features };
}

describe('features of images on threads with sessions of their own', () => {
  it.each([1, 3])('are those of one session, bit for bit and in order: %i threads', async (threads) => {
    const expected: number[] = [];
    const options = { preprocessing, batch: classifier.batch, threads: 1, skipBad: true };
    for await (const images of imageBatches(sourceOf(samples), options)) {
      expected.push(...(await classifier.featuresOf(images)));
    }
    const { names, features } = await gather(threads);
    expect(names).toEqual(samples.map(({ name }) => name).filter((name) => name !== '17.img'));
    expect(features).toEqual(expected);
  });

  it('fail as the model does, and go on with the next images and with another model', async () => {
    const small = [{ name: 'small.png', label: undefined, bytes: await drawPng(16, 16, 1) }];
    const refusal = { name: 'HimplosError', code: 'bad-input', message: expect.stringContaining('16 × 16') };
    await expect(gather(2, small)).rejects.toMatchObject(refusal);
    const { features } = await gather(2);
    await using another = await openClassifier(DEMO_MODEL, { device: 'cpu', threads: 1, batch: 5 });
    const rows: number[] = [];
    for await (const batch of featureBatches(sourceOf(samples.slice(0, 12)), another, {
      preprocessing,
      threads: 2,
    })) {
      rows.push(batch.rows);
      const at = batch.firstRow * another.width;
      batch.features.forEach((value, i) => {
        expect(value).toBeCloseTo(features[at + i]!, 4);
      });
    }
    expect(rows).toEqual([5, 5, 2]);
  });

  it('wait for what runs on the model when nobody wants more: terminated there, they take the process along', async () => {
    const many = Array.from({ length: 20 }, () => samples).flat();
    const options = { preprocessing, threads: 2, skipBad: true };
    // Long batches: nearly all of a thread's time is the model's.
    await using slow = await openClassifier(DEMO_MODEL, { device: 'cpu', threads: 1, batch: 64 });
    for (let i = 0; i < 12; i++) {
      for await (const batch of featureBatches(sourceOf(many), slow, options)) {
        expect(batch.firstRow).toBe(0);
        break;
      }
    }
  });

  it('that are not finite are refused by the name of their image', async () => {
    const how: Preprocessing = { ...preprocessing, std: [1e-38, 1e-38, 1e-38] };
    await expect(gather(2, samples.slice(0, 4), how)).rejects.toMatchObject({
      code: 'bad-model',
      message: expect.stringMatching(/the model gives (NaN|-?Infinity) as feature \d+ of 0\.img/),
    });
  });

  it('share out threads where a model is too large to stand in memory often', () => {
    expect([1, 2 ** 20, 2 ** 26, 2 ** 30, 2 ** 31].map(sessionsFor)).toEqual([2 ** 30, 1024, 16, 1, 1]);
  });
});
