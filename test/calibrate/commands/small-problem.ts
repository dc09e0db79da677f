import { mkdirSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { makeNode as node } from '../../../calibrate/onnx/proto-parts.ts';
import { randomNumbers } from '../../shared/random.ts';
import { encodeModel, floats, smallModel } from '../onnx/build-model.ts';
import { newFolder } from '../run-command.ts';

/** The classes of the small classifier, in the order of its logits, and the colour of their images. */
export const COLOURS = { blue: [40, 60, 200], green: [50, 190, 60], red: [210, 50, 40] } as const;

type Colour = readonly [number, number, number];

/** Colours that the classifier does not know. */
export const GREY: Colour = [120, 120, 120];

/** How the small classifier's images become its input. */
export const PREPROCESSING = ['--mean', '0.5,0.5,0.5', '--std', '0.5,0.5,0.5'] as const;

/** Width of its penultimate features. */
export const WIDTH = 6;

/**
 * A classifier of three colours: 1×1 convolution, ReLU, global average, Gemm. Takes [N, 3, 8, 8].
 * @param classes logits, the first three of which are the colours
 */
export function smallClassifier(classes = 3): Uint8Array {
  const filters = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [1, -0.5, -0.5],
    [-0.5, 1, -0.5],
    [-0.5, -0.5, 1],
  ];
  const head = [
    [-1, -1, 2, -1, -1, 3],
    [-1, 2, -1, -1, 3, -1],
    [2, -1, -1, 3, -1, -1],
  ];
  const rows = Array.from({ length: classes }, (_, index) => head[index] ?? [0, 0, 0, 0, 0, index / 10]);
  return encodeModel(
    smallModel({
      input: ['N', 3, 8, 8],
      outputs: ['classes'],
      nodes: [
        node('Conv', ['x', 'filters', 'offsets'], ['convolved'], { kernel_shape: [1, 1] }),
        node('Relu', ['convolved'], ['activations']),
        node('GlobalAveragePool', ['activations'], ['pooled']),
        node('Flatten', ['pooled'], ['flat'], { axis: 1 }),
        node('Gemm', ['flat', 'weight', 'bias'], ['classes'], { transB: 1 }),
      ],
      initializers: [
        floats('filters', [6, 3, 1, 1], filters.flat()),
        floats('offsets', [6], [0.6, 0.6, 0.6, 0.3, 0.3, 0.3]),
        floats('weight', [classes, 6], rows.flat()),
        floats('bias', [classes], new Array(classes).fill(0)),
      ],
    }),
  );
}

/** An 8 × 8 PNG of a colour with seeded noise. */
export async function drawImage([red, green, blue]: Colour, seed: number, side = 8): Promise<Uint8Array> {
  const random = randomNumbers(seed);
  const pixels = Uint8Array.from({ length: 3 * side * side }, (_, i) => {
    const value = [red, green, blue][i % 3]! + 60 * (random() - 0.5);
    return Math.min(255, Math.max(0, Math.round(value)));
  });
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer();
}

/** A folder of class folders with `count` images of each colour; no two seeds share an image. */
export async function drawClassFolders(folder: string, count: number, seed: number): Promise<void> {
  for (const [name, colour] of Object.entries(COLOURS)) {
    await drawFolder(join(folder, name), colour, count, seed + 1000 * name.length);
  }
}

/** A folder with `count` images of one colour. */
export async function drawFolder(folder: string, colour: Colour, count: number, seed: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    writeBelow(folder, `${String(i).padStart(4, '0')}.png`, await drawImage(colour, seed * 100_003 + i));
  }
}

/** Writes a file and the folders above it. */
export function writeBelow(folder: string, name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** A classifier and images on the disk: 6 training and 5 calibration images a class, 4 of another colour. */
export interface SmallProblem {
  readonly folder: string;
  readonly model: string;
  readonly train: string;
  readonly calibration: string;
  readonly ood: string;
  /** Options that `calibrate` and `compare` need; γ accepts 90 %, for which 9 calibration images suffice. */
  readonly options: readonly string[];
}

export async function smallProblem(): Promise<SmallProblem> {
  const folder = newFolder();
  const [model, train, calibration, ood] = ['model.onnx', 'train', 'calibration', 'grey'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  await writeFile(model, smallClassifier());
  await drawClassFolders(train, 6, 1);
  await drawClassFolders(calibration, 5, 2);
  await drawFolder(ood, GREY, 4, 3);
  const options = [
    ...['--model', model, '--train', train, '--calibration', calibration],
    ...['--device', 'cpu', '--threads', '1', '--tpr', '0.9', ...PREPROCESSING],
  ];
  return { folder, model, train, calibration, ood, options };
}
