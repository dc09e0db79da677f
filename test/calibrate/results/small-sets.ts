import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeNpy } from '../../../shared/formats/npy.ts';
import { f32 } from '../../../shared/tensor.ts';
import { randomNormals } from '../../shared/random.ts';

/** Classes and features of {@link smallSets}. */
const CLASSES = 3;
const WIDTH = 6;

/** A head and small, seeded feature files on the disk: three classes, OOD sets `far` and `close`. */
export interface SmallSets {
  /** What commands that fit methods need: a head, all roles, both OOD sets. */
  readonly options: readonly string[];
  /** The same without OOD sets. */
  readonly withoutOod: readonly string[];
}

export function smallSets(folder: string, rows = 150): SmallSets {
  const normal = randomNormals(5);
  const save = (name: string, data: Float32Array, ...shape: number[]) => {
    const path = join(folder, `${name}.npy`);
    writeFileSync(path, encodeNpy(f32(data, ...shape)));
    return path;
  };
  const labelled = (name: string) => {
    const features = new Float32Array(rows * WIDTH);
    const labels = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row % CLASSES));
    for (let row = 0; row < rows; row++) {
      for (let l = 0; l < WIDTH; l++) {
        const isOwn = l % CLASSES === row % CLASSES;
        features[row * WIDTH + l] = Math.max(0, (isOwn ? 2 : 0.3) + 0.4 * normal());
      }
    }
    const path = join(folder, `${name}.labels.npy`);
    writeFileSync(path, encodeNpy({ dtype: 'I64', data: labels, shape: [rows] }));
    return `${save(name, features, rows, WIDTH)}:${path}`;
  };
  const unlabelled = (name: string, level: number) =>
    save(
      name,
      Float32Array.from({ length: rows * WIDTH }, () => Math.max(0, level + 0.5 * normal())),
      rows,
      WIDTH,
    );
  const weight = save(
    'weight',
    Float32Array.from({ length: CLASSES * WIDTH }, (_, i) =>
      (i % WIDTH) % CLASSES === Math.floor(i / WIDTH) ? 1 + (i % 2) / 4 : -0.4,
    ),
    CLASSES,
    WIDTH,
  );
  const withoutOod = [
    ...['--head', weight, '--train', labelled('train'), '--calibration', labelled('calibration')],
    ...['--evaluation', labelled('evaluation')],
  ];
  const ood = ['--ood', `far=${unlabelled('far', 0.2)}`, '--ood', `close=${unlabelled('close', 0.8)}`];
  return { options: [...withoutOod, ...ood], withoutOod };
}
