import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { type Answer, openDetector } from '../../calibrate/api.ts';
import { imageBatches } from '../../calibrate/images/image-batches.ts';
import { findHead } from '../../calibrate/onnx/find-head.ts';
import { readModel } from '../../calibrate/onnx/read-model.ts';
import { openSource } from '../../calibrate/sources/open-source.ts';
import { encodeNpy } from '../../shared/formats/npy.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { findPreset } from '../../shared/images/preprocessing-document.ts';
import type { Head } from '../../shared/methods/contract.ts';
import { f32 } from '../../shared/tensor.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';
import { randomNormals } from '../shared/random.ts';
import { featuresOf, imagesOf } from './commands/benchmark.ts';
import { newFolder, runWell } from './run-command.ts';

/** 2,000 images go through a DenseNet twice: two minutes on two idle cores, more on busy ones. */
const SLOW_MS = 15 * 60_000;

/** METHODS §9 in float32. */
const TOLERANCE = 1e-5;

/** Other than what `score` uses, as other programs' will be. */
const BATCH = 50;

describe.skipIf(!hasRealData)(`detector.onnx beside our own scores (${needsData})`, () => {
  it(
    'decides alike on all 2,000 test images of CIFAR-10, scores within 1e-5',
    async () => {
      const detector = join(newFolder(), 'detector');
      await runWell([
        ...['calibrate', '--model', realData('cifar10/model.onnx'), '--preprocess', 'cifar10'],
        ...['--train', featuresOf('train'), '--calibration', featuresOf('calibration')],
        ...['--method', 'himplos:mask=50,clip=1.0', '--device', 'cpu', '--out', detector],
      ]);
      const graph = await runGraph(detector, imagesOf('test'), findPreset('cifar10')!);
      expect(graph.answers.length).toBe(2000);
      await expectSame(graph, detector, imagesOf('test'));
      expectBothDecisions(graph);
    },
    SLOW_MS,
  );

  it(
    'decides alike on 250 images of ImageNet and 125 textures, scores within 1e-5',
    async () => {
      const folder = newFolder();
      const detector = join(folder, 'detector');
      const model = realData('imagenet/model.onnx');
      const { head } = findHead(await readModel(model));
      const train = writeMadeUpFeatures(folder, head);
      await runWell([
        ...['calibrate', '--model', model, '--mean', '0.5,0.5,0.5', '--std', '0.5,0.5,0.5'],
        ...['--train', train, '--calibration', realData('imagenet/sample.features.npy')],
        ...['--tpr', '0.9', '--device', 'cpu', '--out', detector],
      ]);
      const half = [0.5, 0.5, 0.5] as const;
      const preprocessing = { resize: null, crop: null, mean: half, std: half };
      for (const [archive, count] of [
        ['sample', 250],
        ['textures', 125],
      ] as const) {
        const images = realData(`imagenet/${archive}.tar.gz`);
        const graph = await runGraph(detector, images, preprocessing);
        expect(graph.answers.length).toBe(count);
        await expectSame(graph, detector, images);
        if (archive === 'sample') expectBothDecisions(graph);
      }
    },
    SLOW_MS,
  );
});

/** What detector.onnx itself says of an image. */
interface GraphAnswer {
  readonly score: number;
  readonly isOod: boolean;
  readonly predicted: number;
  readonly cosine: number;
}

interface GraphRun {
  readonly answers: readonly GraphAnswer[];
  /** What the graph gives as `features`, rows × L. */
  readonly features: Float32Array;
}

async function runGraph(detector: string, images: string, preprocessing: Preprocessing): Promise<GraphRun> {
  const session = await InferenceSession.create(readFileSync(join(detector, 'detector.onnx')), {
    logSeverityLevel: 3,
  });
  const source = await openSource(images);
  if (source.kind !== 'images') throw new Error(`expected images, got ${images}`);
  const answers: GraphAnswer[] = [];
  const features: number[] = [];
  const options = { preprocessing, batch: BATCH, threads: 2 };
  for await (const { tensor, rows, height, width } of imageBatches(source, options)) {
    const input = new Tensor('float32', tensor, [rows, 3, height, width]);
    const outputs = await session.run({ [session.inputNames[0]!]: input });
    for (const value of outputs.features!.data as Float32Array) features.push(value);
    for (let row = 0; row < rows; row++) {
      answers.push({
        score: Number(outputs.score!.data[row]),
        isOod: Boolean(outputs.is_ood!.data[row]),
        predicted: Number(outputs.predicted_class!.data[row]),
        cosine: Number(outputs.cosine!.data[row]),
      });
    }
  }
  await session.release();
  return { answers, features: Float32Array.from(features) };
}

async function scoreImages(detector: string, images: string): Promise<Answer[]> {
  const { stdout } = await runWell(['score', '--detector', detector, '--device', 'cpu', images]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/**
 * Throws unless every decision of the graph is that of `himplos score` on the same images, and of our own scorer in
 * float64, which found γ, on the graph's features; and every score is close to both.
 */
async function expectSame({ answers, features }: GraphRun, detector: string, images: string): Promise<void> {
  expectClose('himplos score', answers, await scoreImages(detector, images));
  expectClose('float64', answers, (await openDetector(detector)).score(features));
}

function expectClose(name: string, graph: readonly GraphAnswer[], own: readonly Answer[]): void {
  expect(own.length).toBe(graph.length);
  const different: string[] = [];
  let largest = 0;
  own.forEach((answer, i) => {
    const { score, isOod, predicted, cosine } = graph[i]!;
    const distance = Math.abs(score - answer.score) / Math.max(1, Math.abs(answer.score));
    largest = Math.max(largest, distance);
    const isSame =
      isOod === (answer.decision === 'ood') &&
      predicted === answer.predicted &&
      distance <= TOLERANCE &&
      Math.abs(cosine - answer.cosine!) <= TOLERANCE;
    if (!isSame) different.push(`${answer.name}: ${JSON.stringify(graph[i])} and ${JSON.stringify(answer)}`);
  });
  console.log(`${graph.length} images, scores differ by at most ${largest.toExponential(1)} from ${name}`);
  expect(different).toEqual([]);
}

/** Equal decisions say little when all are the same one. */
function expectBothDecisions({ answers }: GraphRun): void {
  const refused = answers.filter(({ isOod }) => isOod).length / answers.length;
  expect(refused).toBeGreaterThan(0.02);
  expect(refused).toBeLessThan(0.3);
}

/**
 * Training features for all 1,000 classes, since a prototype for each cannot be had from 250 images: three noisy copies
 * of |W_c| a class. Whatever the detector's quality, every prediction meets a prototype and a cosine above 0.
 * @returns the source
 */
function writeMadeUpFeatures(folder: string, { classes, width, weight }: Head): string {
  const copies = 3;
  const normal = randomNormals(11);
  const rows = classes * copies;
  const features = Float32Array.from({ length: rows * width }, (_, i) => {
    const row = Math.floor(i / width);
    return Math.max(0, Math.abs(weight[(row % classes) * width + (i % width)]!) + 0.02 * normal());
  });
  const labels = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row % classes));
  const paths = ['train.features.npy', 'train.labels.npy'].map((name) => join(folder, name));
  writeFileSync(paths[0]!, encodeNpy(f32(features, rows, width)));
  writeFileSync(paths[1]!, encodeNpy({ dtype: 'I64', data: labels, shape: [rows] }));
  return paths.join(':');
}
