import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareVersions } from '../../../calibrate/versions/compare-versions.ts';
import { defaultGateLimits } from '../../../calibrate/versions/gate-limits.ts';
import { applyGates, type GateResult } from '../../../calibrate/versions/gates.ts';
import { readVersion, type StoredVersion } from '../../../calibrate/versions/measure-version.ts';
import { publishFolder } from '../../../calibrate/versions/publish.ts';
import { decodeNpy, encodeNpy } from '../../../shared/formats/npy.ts';
import { openFileStore } from '../../../shared/store/file-store.ts';
import { f32, type Tensor } from '../../../shared/tensor.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { newFolder, runWell } from '../run-command.ts';

const OOD = ['textures', 'houses_crop', 'mnist', 'tinyimagenet32', 'flowers'];
const METHOD = 'himplos:mask=50,clip=1.0';

describe.skipIf(!hasRealData)(`the default gates on CIFAR-10 (${needsData})`, () => {
  let folder: string;
  let full: StoredVersion;
  beforeAll(async () => {
    folder = newFolder();
    full = await calibrated('full', {});
  });

  const stored = (name: string) => realData('cifar10/features', `${name}.npy`);
  const whole = (role: string) => `${stored(`${role}.features`)}:${stored(`${role}.labels`)}`;

  /** A version of a detector, read back from a store. */
  async function calibrated(
    name: string,
    {
      train = whole('train'),
      calibration = whole('calibration'),
      method = METHOD,
    }: { train?: string; calibration?: string; method?: string },
    more: readonly string[] = [],
  ): Promise<StoredVersion> {
    const out = join(folder, name);
    await runWell([
      ...[
        'calibrate',
        '--model',
        realData('cifar10/model.onnx'),
        '--train',
        train,
        '--calibration',
        calibration,
      ],
      ...[
        '--evaluation',
        whole('test'),
        ...OOD.flatMap((set) => ['--ood', `${set}=${stored(`${set}.features`)}`]),
      ],
      ...['--method', method, '--out', out, ...more],
    ]);
    const store = openFileStore(join(folder, 'store'));
    return readVersion(store, 'cifar10', await publishFolder(out, store, 'cifar10'));
  }

  /** Some rows of a stored set, their labels changed. */
  async function part(
    role: string,
    name: string,
    keep: (row: number, label: number) => boolean,
    relabel: (label: number) => number = (label) => label,
  ): Promise<string> {
    const features = decodeNpy(await readFile(stored(`${role}.features`))) as Tensor & { data: Float32Array };
    const labels = decodeNpy(await readFile(stored(`${role}.labels`)));
    const width = features.shape[1]!;
    const rows = Array.from(labels.data, Number).flatMap((label, row) => (keep(row, label) ? [row] : []));
    const data = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      data.set(features.data.subarray(row * width, (row + 1) * width), i * width);
    });
    const kept = BigInt64Array.from(rows, (row) => BigInt(relabel(Number(labels.data[row]))));
    const paths = [join(folder, `${name}.npy`), join(folder, `${name}.labels.npy`)] as const;
    await writeFile(paths[0], encodeNpy({ dtype: 'F32', shape: [rows.length, width], data }));
    await writeFile(paths[1], encodeNpy({ dtype: 'I64', shape: [rows.length], data: kept }));
    return paths.join(':');
  }

  async function gatesOf(after: StoredVersion): Promise<readonly GateResult[]> {
    return applyGates(await compareVersions(full, after), defaultGateLimits);
  }

  const failing = (gates: readonly GateResult[]) =>
    gates
      .filter(({ passed }) => !passed)
      .map(({ gate, set }) => (set === undefined ? gate : `${gate} ${set}`));

  it('let a detector pass that was calibrated on half the data', async () => {
    const isEven = (row: number) => row % 2 === 0;
    const half = await calibrated('half', {
      train: await part('train', 'half-train', isEven),
      calibration: await part('calibration', 'half-calibration', isEven),
    });
    const gates = await gatesOf(half);
    expect(failing(gates)).toEqual([]);
    expect(gates).toHaveLength(12);
  });

  it('stop prototypes of the wrong classes by AUROC, though γ was chosen anew', async () => {
    const train = await part(
      'train',
      'rotated',
      () => true,
      (label) => (label + 1) % 10,
    );
    const failed = failing(await gatesOf(await calibrated('rotated', { train })));
    expect(failed).toEqual(
      expect.arrayContaining(['auroc textures', 'auroc tinyimagenet32', 'auroc flowers']),
    );
    expect(failed).not.toContain('coverage');
  });

  it('stop prototypes that were shuffled afterwards by coverage', async () => {
    const { detector } = full;
    const { classes, width } = detector.head;
    const prototypes = detector.tensors.prototypes as Tensor & { data: Float32Array };
    const shuffled = Float32Array.from(
      prototypes.data,
      (_, i) => prototypes.data[(i + 3 * width) % (classes * width)]!,
    );
    const tensors = { ...detector.tensors, prototypes: f32(shuffled, classes, width) };
    const failed = failing(await gatesOf({ ...full, detector: { ...detector, tensors } }));
    expect(failed).toContain('coverage');
  });

  it('stop a wrong clip by AUROC and changed decisions', async () => {
    const failed = failing(
      await gatesOf(await calibrated('clipped', { method: 'himplos:mask=50,clip=0.1' })),
    );
    expect(failed).toEqual([...OOD.map((set) => `auroc ${set}`), 'decisions']);
  });

  it('stop a dropped class by name', async () => {
    const train = await part('train', 'dropped', (_, label) => label !== 3);
    const gates = await gatesOf(await calibrated('dropped', { train }, ['--allow-missing-classes']));
    expect(gates[0]).toMatchObject({ gate: 'classes', passed: false });
    expect(gates[0]!.finding).toContain('class 3');
    expect(failing(gates)).toContain('coverage');
  });
});
