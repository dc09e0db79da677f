import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Results } from '../../../calibrate/results/results.ts';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { OOD_SETS } from '../../shared/methods/cifar10.ts';
import { largestDifference } from '../onnx/run-model.ts';
import { newFolder, runWell } from '../run-command.ts';
import { imagesOf, oodOptions } from './benchmark.ts';

/** 11,000 images through a DenseNet: two minutes on two idle cores, many more on busy ones. */
const SLOW_MS = 30 * 60_000;

const SETS = ['train', 'calibration', 'test', ...OOD_SETS] as const;
const COUNTS: Readonly<Record<string, number>> = { train: 5000, calibration: 1000, test: 2000 };

describe.skipIf(!hasRealData)(`the CIFAR-10 benchmark from images (${needsData})`, () => {
  /** Features of all images; who runs this often may keep them in a folder of their own. */
  let cache: string;
  let detector: string;
  let results: Results;
  const model = ['--model', realData('cifar10/model.onnx'), '--device', 'cpu', '--preprocess', 'cifar10'];
  beforeAll(async () => {
    cache = process.env.HIMPLOS_TEST_CACHE ?? newFolder();
    detector = join(newFolder(), 'detector');
    const { stdout } = await runWell([
      ...['calibrate', ...model, '--cache', cache, '--train', imagesOf('train')],
      ...['--calibration', imagesOf('calibration'), '--evaluation', imagesOf('test')],
      ...[...oodOptions(imagesOf), '--method', 'himplos:mask=50,clip=1.0', '--out', detector, '--json'],
    ]);
    results = JSON.parse(stdout);
  }, SLOW_MS);

  it('HIMPLoS separates as the reference says, FPR95 31.60 % and AUROC 92.84 % on average', () => {
    const average = results.rows.find(({ ood }) => ood === 'average')!;
    expect(average).toMatchObject({ n_id: 2000, n_ood: 3000 });
    expect(Math.abs(100 * average.fpr95 - 31.6)).toBeLessThan(0.05);
    expect(Math.abs(100 * average.auroc - 92.84)).toBeLessThan(0.05);
  });

  it('the classifier is right on 86.85 % of the test images', () => {
    expect(Math.abs(100 * results.id.accuracy! - 86.85)).toBeLessThan(0.05);
  });

  it.each(SETS)(
    'features of %s are those of PyTorch within 1e-4',
    async (set) => {
      const out = join(newFolder(), 'features.npy');
      await runWell(['features', ...model, '--cache', cache, imagesOf(set), '--out', out]);
      const found = decodeNpy(readFileSync(out));
      const expected = decodeNpy(readFileSync(realData(`cifar10/features/${set}.features.npy`)));
      expect(found.shape).toEqual([COUNTS[set] ?? 600, 342]);
      expect(largestDifference(found.data, expected.data)).toBeLessThan(1e-4);
      if (COUNTS[set] === undefined) return;
      const labels = decodeNpy(readFileSync(out.replace('.npy', '.labels.npy')));
      const given = decodeNpy(readFileSync(realData(`cifar10/features/${set}.labels.npy`)));
      expect(largestDifference(labels.data, given.data)).toBe(0);
    },
    SLOW_MS,
  );

  it('the detector knows classes, preprocessing and counts', async () => {
    const facts = JSON.parse((await runWell(['inspect', detector, '--json'])).stdout);
    expect(facts.classNames).toEqual([
      ...['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
    ]);
    expect(facts.preprocessing).toMatchObject({ resize: null, crop: null, mean: [0.4914, 0.4822, 0.4465] });
    expect(facts.data.train).toMatchObject({ count: 5000, perClass: new Array(10).fill(500) });
  });
});
