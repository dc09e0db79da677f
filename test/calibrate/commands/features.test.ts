import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadDetector } from '../../../shared/artifact/load-detector.ts';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import { decodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { openArtifactFolder } from '../../../shared/store/artifact-folder.ts';
import { listBelow, newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { PREPROCESSING, type SmallProblem, smallProblem, WIDTH } from './small-problem.ts';

let problem: SmallProblem;
beforeAll(async () => {
  problem = await smallProblem();
});

function features(out: string, ...sources: readonly string[]): string[] {
  const options = ['--device', 'cpu', '--threads', '1', ...PREPROCESSING];
  return ['features', '--model', problem.model, ...options, '--out', out, ...sources];
}

describe('features', () => {
  it('writes rows and labels in the order of the source', async () => {
    const folder = newFolder();
    const { stderr } = await runWell(features(join(folder, 'x.npy'), problem.train, '--batch', '4'));
    expect(stderr).toMatch(/x\.npy: 18 × 6 float32, with labels$/m);
    expect(listBelow(folder)).toEqual(['x.labels.npy', 'x.npy']);
    const { dtype, shape, data } = decodeNpy(readFileSync(join(folder, 'x.npy')));
    expect([dtype, shape]).toEqual(['F32', [18, WIDTH]]);
    const labels = decodeNpy(readFileSync(join(folder, 'x.labels.npy')));
    expect([labels.dtype, [...labels.data]]).toEqual([
      'I64',
      [0, 1, 2].flatMap((c) => new Array(6).fill(BigInt(c))),
    ]);
    // Feature c of the small classifier is the mean of a colour channel: blue is 2 where the class is 0.
    for (let row = 0; row < 18; row++) {
      const channels = [...data.subarray(row * WIDTH, row * WIDTH + 3)].map(Number);
      expect(channels.indexOf(Math.max(...channels))).toBe(2 - Math.floor(row / 6));
    }
  });

  it('writes the same numbers as safetensors', async () => {
    const folder = newFolder();
    await runWell(features(join(folder, 'x.npy'), problem.train));
    await runWell(features(join(folder, 'x.safetensors'), problem.train));
    const { tensors } = decodeSafetensors(readFileSync(join(folder, 'x.safetensors')));
    expect(tensors.features).toEqual(decodeNpy(readFileSync(join(folder, 'x.npy'))));
    expect(tensors.labels).toEqual(decodeNpy(readFileSync(join(folder, 'x.labels.npy'))));
  });

  it('leaves labels out where there are none, and says so', async () => {
    const folder = newFolder();
    const { stderr } = await runWell(features(join(folder, 'x.npy'), problem.ood));
    expect(stderr).toMatch(/without labels/);
    expect(listBelow(folder)).toEqual(['x.npy']);
  });

  it('gives what calibrate needs instead of the images', async () => {
    const folder = newFolder();
    const path = (name: string) => join(folder, name);
    await runWell(features(path('train.safetensors'), problem.train));
    await runWell(features(path('calibration.npy'), problem.calibration));
    await runWell(['calibrate', ...problem.options, '--out', path('images')]);
    await runWell([
      ...['calibrate', '--model', problem.model, '--tpr', '0.9', '--out', path('features')],
      ...['--train', path('train.safetensors')],
      ...['--calibration', `${path('calibration.npy')}:${path('calibration.labels.npy')}`],
    ]);
    const load = (name: string) => loadDetector(openArtifactFolder(path(name)));
    const [images, made] = [await load('images'), await load('features')];
    expect(made.document.threshold).toEqual(images.document.threshold);
    expect(made.calibrationScores).toEqual(images.calibrationScores);
    expect(made.tensors).toEqual(images.tensors);
    // Without preprocessing it cannot score images, and says what would help.
    const refused = readError(await runCommand(['score', '--detector', path('features'), problem.ood]));
    expect(refused.message).toMatch(/calibrated without the preprocessing of images/);
  });

  it('refuses features', async () => {
    const folder = newFolder();
    await runWell(features(join(folder, 'x.npy'), problem.ood));
    const refused = await runCommand(features(join(folder, 'y.npy'), join(folder, 'x.npy')));
    expect(readError(refused).message).toMatch(/x\.npy: expected images, these are features already/);
    expect(listBelow(folder)).toEqual(['x.npy']);
  });
});
