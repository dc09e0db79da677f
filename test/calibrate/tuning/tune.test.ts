import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TunedPoint } from '../../../calibrate/tuning/choose-parameters.ts';
import { featureOutliers } from '../../../calibrate/tuning/feature-outliers.ts';
import { loadDetector } from '../../../shared/artifact/load-detector.ts';
import { openArtifactFolder } from '../../../shared/store/artifact-folder.ts';
import { hasRealData, needsData, realData, reference } from '../../real-data.ts';
import { randomNumbers } from '../../shared/random.ts';
import { featuresOf } from '../commands/benchmark.ts';
import { smallProblem } from '../commands/small-problem.ts';
import { smallSets } from '../results/small-sets.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';

describe('outliers made of features', () => {
  const random = randomNumbers(1);
  const [rows, width] = [50, 8];
  const features = Float32Array.from({ length: rows * width }, random);
  const outliers = featureOutliers({ rows, width, features }, 3);
  const crossed = outliers[0]!;
  const weakened = outliers[1]!;

  it('take every channel from the same channel of one of two samples', () => {
    const owners = new Map(Array.from(features, (value, i) => [value, i]));
    for (let row = 0; row < rows; row++) {
      const from = new Set<number>();
      for (let l = 0; l < width; l++) {
        const owner = owners.get(crossed.features[row * width + l]!)!;
        expect(owner % width).toBe(l);
        from.add(Math.floor(owner / width));
      }
      expect(from.size).toBeLessThanOrEqual(2);
    }
  });

  it('keep the direction of weakened samples', () => {
    for (let row = 0; row < rows; row++) {
      const factor = weakened.features[row * width]! / features[row * width]!;
      expect(factor).toBeGreaterThan(0.29);
      expect(factor).toBeLessThan(0.81);
      for (let l = 1; l < width; l++) {
        expect(weakened.features[row * width + l]! / features[row * width + l]!).toBeCloseTo(factor, 5);
      }
    }
  });

  it('leave the samples alone and hang on the seed', () => {
    const copy = features.slice();
    expect(featureOutliers({ rows, width, features }, 3)[0]!.features).toEqual(crossed.features);
    expect(featureOutliers({ rows, width, features }, 4)[0]!.features).not.toEqual(crossed.features);
    expect(features).toEqual(copy);
  });
});

describe('tune', () => {
  it('prints what it chose, what it saw and what it cost, the same every time', async () => {
    const { withoutOod } = smallSets(newFolder());
    const argv = ['tune', ...withoutOod, '--vary', 'mask=0,20,40', '--vary', 'clip=0.2,p95'];
    const { stdout } = await runWell(argv);
    expect(stdout).toMatch(/^chosen {5}himplos:mask=/);
    expect(stdout).toContain(
      '150 held-out samples, and outliers made of them: 150 crossed, 150 weakened; no OOD set',
    );
    expect(stdout).toMatch(/cost {7}6 points × 450 samples in \d/);
    const points = async () => JSON.parse((await runWell([...argv, '--json'])).stdout).points as TunedPoint[];
    const first = await points();
    expect(first.map(({ auroc }) => auroc)).toEqual(first.map(({ auroc }) => auroc).sort((a, b) => b - a));
    expect(await points()).toEqual(first);
  });

  it('keeps how it chose in the detector, which only then is measured on OOD sets', async () => {
    const folder = newFolder();
    const { options, withoutOod } = smallSets(folder);
    const vary = ['--vary', 'mask=0,20,40'];
    const measured = join(folder, 'measured');
    const { stdout } = await runWell(['tune', ...options, ...vary, '--out', measured]);
    const { document } = await loadDetector(openArtifactFolder(measured));
    expect(stdout).toContain(`chosen     ${document.method}\n`);
    expect(document.tuning).toMatchObject({
      grid: [{ key: 'mask', values: ['0', '20', '40'] }],
      points: 3,
      heldOut: { from: 'calibration', count: 150 },
      outliers: [
        { kind: 'crossed', count: 150 },
        { kind: 'weakened', count: 150 },
      ],
      seed: 1,
    });
    expect(
      document.warnings.some((sentence) => sentence.includes('chosen on the same held-out samples')),
    ).toBe(true);
    expect(document.metrics.ood).toHaveLength(2);
    expect(readFileSync(join(measured, 'report.html'), 'utf8')).toContain('How the parameters were chosen');
    const unmeasured = join(folder, 'unmeasured');
    await runWell(['tune', ...withoutOod, ...vary, '--out', unmeasured]);
    const other = await loadDetector(openArtifactFolder(unmeasured));
    expect([other.document.method, other.document.tuning]).toEqual([document.method, document.tuning]);
  });

  it('refuses OOD sets that it has no use for', async () => {
    const { options } = smallSets(newFolder());
    expect(readError(await runCommand(['tune', ...options])).message).toContain('tuning looks at no OOD set');
  });

  it('distorts images where the data are images', async () => {
    const { options } = await smallProblem();
    const { stdout } = await runWell(['tune', ...options, '--vary', 'mask=0,30', '--json']);
    const { tuning } = JSON.parse(stdout);
    expect(tuning.outliers.map(({ kind }: { kind: string }) => kind)).toEqual([
      ...['noise', 'patches shuffled', 'two images mixed', 'blurred', 'crossed', 'weakened'],
    ]);
    expect(tuning.outliers.every(({ count }: { count: number }) => count === 15)).toBe(true);
  });
});

describe.skipIf(!hasRealData)(`tuning on CIFAR-10 (${needsData})`, () => {
  const inputs = [
    ...['--model', realData('cifar10/model.onnx'), '--device', 'cpu'],
    ...['--train', featuresOf('train'), '--calibration', featuresOf('calibration')],
  ];
  let sweep: { p: number; react: number | string | null; avg: number[] }[];
  beforeAll(() => {
    sweep = JSON.parse(readFileSync(reference('cifar10.results.json'), 'utf8')).sweep;
  });

  it.each([1, 2])(
    'comes within 2 points of the best of the sweep without seeing an OOD set (seed %i)',
    async (seed) => {
      const { stdout } = await runWell(['tune', ...inputs, '--seed', String(seed), '--json']);
      const { method } = JSON.parse(stdout) as { method: string };
      const [, mask, clip] = /mask=([^,]+),clip=([^,]+)/.exec(method)!;
      const { avg } = sweep.find(
        ({ p, react }) =>
          (mask === 'none' ? 0 : Number(mask)) === p &&
          clip === (typeof react === 'number' ? `p${react}` : react === '1.0' ? '1' : 'none'),
      )!;
      expect(avg[0]).toBeLessThan(Math.min(...sweep.map((point) => point.avg[0]!)) + 2);
    },
  );
});
