import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeNpy } from '../../../shared/formats/npy.ts';
import { f32, type Tensor } from '../../../shared/tensor.ts';
import { randomNormals } from '../../shared/random.ts';
import { newFolder, runWell } from '../run-command.ts';

const WIDTH = 6;
const CLASSES = 3;

/** What may differ between two small detectors. */
export interface SmallVariant {
  readonly method?: string;
  readonly trainSeed?: number;
  /** Without a number: the evaluation and OOD rows that all variants share; null for none at all. */
  readonly evaluationSeed?: number | null;
  /** Added to every weight of the head. */
  readonly headShift?: number;
  readonly classNames?: readonly string[];
  readonly name?: string;
  readonly calibrationRows?: number;
}

/** Calibrates a detector of three classes on six seeded features; resolves to its folder. */
export async function smallDetectorFolder(variant: SmallVariant = {}): Promise<string> {
  const { trainSeed = 1, evaluationSeed = 3, headShift = 0, calibrationRows = 60 } = variant;
  const folder = newFolder();
  const save = async (name: string, tensor: Tensor) => {
    const path = join(folder, `${name}.npy`);
    await writeFile(path, encodeNpy(tensor));
    return path;
  };
  const weight = Float32Array.from({ length: CLASSES * WIDTH }, (_, i) =>
    (i % WIDTH) % CLASSES === Math.floor(i / WIDTH) ? 1 + headShift : -0.25 + headShift,
  );
  const head = `${await save('weight', f32(weight, CLASSES, WIDTH))}:${await save('bias', f32(new Float32Array(CLASSES), CLASSES))}`;
  const source = async (name: string, rows: number, seed: number, isKnown = true) => {
    const normal = randomNormals(seed);
    const features = Float32Array.from({ length: rows * WIDTH }, (_, i) => {
      const isOwn = (i % WIDTH) % CLASSES === Math.floor(i / WIDTH) % CLASSES;
      return Math.max(0, (isKnown && isOwn ? 3 : 0.8) + 0.7 * normal());
    });
    const labels = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row % CLASSES));
    const path = await save(name, f32(features, rows, WIDTH));
    if (!isKnown) return path;
    return `${path}:${await save(`${name}.labels`, { dtype: 'I64', shape: [rows], data: labels })}`;
  };
  const names = join(folder, 'classes.txt');
  await writeFile(names, `${(variant.classNames ?? ['crow', 'gull', 'wren']).join('\n')}\n`);
  await mkdir(join(folder, 'out'));
  await runWell([
    ...['calibrate', '--head', head, '--classes', names, '--tpr', '0.9'],
    ...[
      '--train',
      await source('train', 90, trainSeed),
      '--calibration',
      await source('calibration', calibrationRows, 2),
    ],
    ...(evaluationSeed === null
      ? []
      : [
          ...['--evaluation', await source('evaluation', 60, evaluationSeed)],
          ...['--ood', `noise=${await source('noise', 40, evaluationSeed + 1, false)}`],
        ]),
    ...['--method', variant.method ?? 'himplos:mask=50,clip=p95', '--out', join(folder, 'out')],
    ...(variant.name === undefined ? [] : ['--name', variant.name]),
  ]);
  return join(folder, 'out');
}
