import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type ImageBatchOptions, imageBatches } from '../../../calibrate/images/image-batches.ts';
import type { ImageSource, Sample } from '../../../calibrate/sources/contract.ts';
import { HimplosError } from '../../../shared/errors.ts';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import { Preprocessor } from '../../../shared/images/preprocess.ts';
import type { Preprocessing } from '../../../shared/images/preprocessing.ts';
import { findPreset } from '../../../shared/images/preprocessing-document.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { openImages } from '../sources/read-source.ts';
import { drawPixels, drawPng } from './draw-image.ts';

const plain: Preprocessing = { resize: null, crop: null, mean: [0.1, 0.2, 0.3], std: [0.5, 0.5, 0.5] };
const cropped: Preprocessing = { ...plain, resize: { shorter: 6 }, crop: 5 };

/** A source in memory; `after` runs when all samples are given. */
function sourceOf(samples: readonly Sample[], after: () => void = () => {}): ImageSource {
  return {
    kind: 'images',
    address: 'memory',
    survey: async () => Promise.reject(new Error('not surveyed')),
    async *samples() {
      yield* samples;
      after();
    },
  };
}

async function drawSamples(count: number, size = 8): Promise<Sample[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      name: `${i}.png`,
      label: i % 3 === 0 ? undefined : `class ${i % 3}`,
      bytes: await drawPng(size, size, i),
    })),
  );
}

/** Everything in all batches, copied. */
async function gather(source: ImageSource, options: Partial<ImageBatchOptions> = {}) {
  const all = {
    sizes: [] as number[],
    names: [] as string[],
    labels: [] as (string | undefined)[],
    rows: [] as Float32Array[],
    digests: [] as string[],
  };
  for await (const batch of imageBatches(source, {
    preprocessing: plain,
    batch: 4,
    threads: 2,
    ...options,
  })) {
    const values = 3 * batch.height * batch.width;
    expect(batch.tensor.length).toBe(batch.rows * values);
    expect(batch.firstRow).toBe(all.names.length);
    all.sizes.push(batch.rows);
    all.names.push(...batch.names);
    all.labels.push(...batch.labels);
    all.digests.push(...batch.digests.map((digest) => Buffer.from(digest).toString('hex')));
    for (let row = 0; row < batch.rows; row++)
      all.rows.push(batch.tensor.slice(row * values, (row + 1) * values));
  }
  return all;
}

describe('image batches', () => {
  it.each([
    [1, 1],
    [4, 1],
    [5, 3],
    [100, 2],
  ])('of %i on %i threads hold every image once, in order, preprocessed as alone', async (batch, threads) => {
    const samples = await drawSamples(37, 9);
    const all = await gather(sourceOf(samples), { batch, threads, preprocessing: cropped });
    expect(all.names).toEqual(samples.map(({ name }) => name));
    expect(all.labels).toEqual(samples.map(({ label }) => label));
    expect(all.sizes.slice(0, -1).every((rows) => rows === batch)).toBe(true);
    const preprocessor = new Preprocessor(cropped);
    samples.forEach(({ bytes }, i) => {
      const expected = new Float32Array(75);
      preprocessor.write(drawPixels(9, 9, i), 9, 9, expected, 0);
      expect(all.rows[i]).toEqual(expected);
      expect(all.digests[i]).toBe(createHash('sha256').update(bytes).digest('hex'));
    });
  });

  it('leave the samples usable: their bytes are not taken away', async () => {
    const samples = await drawSamples(3);
    const first = await gather(sourceOf(samples));
    expect(await gather(sourceOf(samples))).toEqual(first);
  });

  it('take images of several sizes where resize and crop make them one', async () => {
    const samples = [...(await drawSamples(5, 7)), ...(await drawSamples(5, 30))];
    expect((await gather(sourceOf(samples), { preprocessing: cropped })).names).toHaveLength(10);
  });

  it('name the image that has another size', async () => {
    const samples = [
      ...(await drawSamples(2, 8)),
      { name: 'odd.png', label: 'x', bytes: await drawPng(9, 8, 1) },
    ];
    const error = await rejectionOf(gather(sourceOf(samples)));
    expect(error).toMatchObject({
      code: 'bad-input',
      message: expect.stringMatching(/odd\.png.*9 × 8.*8 × 8/),
    });
    expect(error.hint).toContain('--resize');
  });

  it('refuse an input too large for the batch before it is made', async () => {
    const source = sourceOf(await drawSamples(1));
    const preprocessing: Preprocessing = { ...plain, crop: 4096 };
    const error = await rejectionOf(gather(source, { preprocessing, batch: 64 }));
    expect(error).toMatchObject({ code: 'too-large', message: expect.stringContaining('0.png') });
    expect(error.hint).toContain('--batch');
  });

  it('of nothing are none', async () => {
    expect((await gather(sourceOf([]))).sizes).toEqual([]);
  });
});

describe('a bad image among good ones', () => {
  const broken = async () => {
    const samples = await drawSamples(20);
    samples[7] = { ...samples[7]!, bytes: samples[7]!.bytes.subarray(0, 60) };
    samples[11] = { ...samples[11]!, bytes: new TextEncoder().encode('not an image') };
    return samples;
  };

  it('ends everything by its name, after the batches before it', async () => {
    const rows: number[] = [];
    const error = await rejectionOf(
      (async () => {
        const options = { preprocessing: plain, batch: 3, threads: 1 };
        for await (const batch of imageBatches(sourceOf(await broken()), options)) rows.push(batch.rows);
      })(),
    );
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('memory: 7.png: ') });
    expect(error.hint).toContain('--skip-bad');
    expect(rows).toEqual([3, 3]);
  });

  it('is passed over and told when that is wanted', async () => {
    const bad: string[] = [];
    const all = await gather(sourceOf(await broken()), {
      skipBad: true,
      onBad: (name, error) => bad.push(`${name} ${error.code} ${error.message.includes(name)}`),
    });
    expect(bad).toEqual(['7.png bad-input true', '11.png bad-input true']);
    expect(all.names).toEqual(
      (await drawSamples(20)).map(({ name }) => name).filter((name) => !/^(7|11)\./.test(name)),
    );
    // What is in a batch hangs on positions alone: the others of its batch do not move up.
    expect(all.sizes).toEqual([4, 3, 3, 4, 4]);
  });

  it('does not hide what the source fails with', async () => {
    const source = sourceOf(await drawSamples(6), () => {
      throw new HimplosError('bad-input', 'the archive is truncated');
    });
    const error = await rejectionOf(gather(source, { skipBad: true }));
    expect(error.message).toBe('the archive is truncated');
  });
});

describe('leaving early', () => {
  const countThreads = () => readdirSync('/proc/self/task').length;

  it('closes the source and gathers no threads', async () => {
    const samples = await drawSamples(60);
    let closed = 0;
    const source: ImageSource = {
      ...sourceOf(samples),
      async *samples() {
        try {
          for (;;) yield* samples;
        } finally {
          closed++;
        }
      },
    };
    const options = { preprocessing: plain, batch: 8, threads: 2 };
    for await (const _ of imageBatches(source, options)) break;
    const threads = countThreads();
    for (let i = 0; i < 4; i++) for await (const _ of imageBatches(source, options)) break;
    expect(closed).toBe(5);
    expect(countThreads()).toBeLessThan(threads + 4);
  });

  it('happens at once when the signal says so, even while the source gives nothing', async () => {
    const [sample] = await drawSamples(1);
    const controller = new AbortController();
    const source: ImageSource = {
      ...sourceOf([]),
      async *samples() {
        yield sample!;
        setImmediate(() => controller.abort());
        await new Promise(() => {}); // a file server that does not answer
      },
    };
    const error = await rejectionOf(gather(source, { signal: controller.signal }));
    expect(error.code).toBe('interrupted');
  });

  it('happens before anything is read when the signal came first', async () => {
    const error = await rejectionOf(gather(sourceOf(await drawSamples(2)), { signal: AbortSignal.abort() }));
    expect(error.code).toBe('interrupted');
  });
});

describe.skipIf(!hasRealData)(`batches of the benchmark images (${needsData})`, () => {
  it('of the CIFAR-10 test tar have its names, labels and sizes', async () => {
    const labels = decodeNpy(await readFile(realData('cifar10/features/test.labels.npy')));
    const source = await openImages(realData('cifar10/test.tar.gz'));
    const survey = await source.survey();
    const classes = [...survey.classes.keys()].sort();
    expect([survey.samples, classes.length, survey.ignored]).toEqual([2000, 10, 0]);
    let rows = 0;
    const names = new Set<string>();
    const preprocessing = findPreset('cifar10')!;
    for await (const batch of imageBatches(source, { preprocessing, batch: 64, threads: 2 })) {
      expect([batch.height, batch.width]).toEqual([32, 32]);
      for (let i = 0; i < batch.rows; i++) {
        names.add(batch.names[i]!);
        expect(batch.names[i]!.split('/')[0]).toBe(batch.labels[i]);
        expect(classes.indexOf(batch.labels[i]!)).toBe(Number(labels.data[rows++]));
      }
    }
    expect([rows, names.size]).toEqual([2000, 2000]);
  });

  it('of the photographs are the golden tensors', async () => {
    const preprocessing: Preprocessing = { ...plain, resize: { shorter: 32 }, crop: 32 };
    const files = readdirSync(realData('preprocess')).filter((name) => !name.endsWith('.npy'));
    const samples = await Promise.all(
      files.map(async (name) => ({
        name,
        label: undefined,
        bytes: await readFile(realData('preprocess', name)),
      })),
    );
    const { rows } = await gather(sourceOf(samples), { preprocessing, batch: 5 });
    for (const [i, name] of files.entries()) {
      const golden = decodeNpy(await readFile(realData('preprocess', `${name}.resize32_crop32.npy`)));
      const expected = new Float32Array(3 * 32 * 32);
      new Preprocessor(plain).write(golden.data as Uint8Array, 32, 32, expected, 0);
      expect(Buffer.from(rows[i]!.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    }
  });
});
