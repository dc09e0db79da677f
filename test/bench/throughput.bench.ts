/**
 * Does calibration wait for anything but the model? Images per second from encoded images to features, against a bare
 * onnxruntime session, with onnxruntime's own settings, on tensors that were decoded before: in batches of 64 as people
 * write it, and in the batches that this tool takes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { openClassifier } from '../../calibrate/features/classifier.ts';
import { gatherSet } from '../../calibrate/features/gather-set.ts';
import { type ImageBatch, imageBatches } from '../../calibrate/images/image-batches.ts';
import { cutAtHead } from '../../calibrate/onnx/cut-at-head.ts';
import type { ImageSource } from '../../calibrate/sources/contract.ts';
import { openSource } from '../../calibrate/sources/open-source.ts';
import { OverlapFinder } from '../../calibrate/sources/overlap.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';
import { report, timeInTurn } from './measure.ts';

const THREADS = 2;
const ROUNDS = 3;

async function compareToBareSession(
  title: string,
  model: string,
  archive: string,
  preprocessing: Preprocessing,
  expected: number,
) {
  await using classifier = await openClassifier(model, { device: 'cpu', threads: THREADS });
  // As anybody would open it: onnxruntime's own settings but for the number of threads.
  const bare = await InferenceSession.create(cutAtHead(classifier.model, classifier.found), {
    intraOpNumThreads: THREADS,
  });
  const input = bare.inputNames[0]!;
  const large = await decodeAll(archive, preprocessing, 64);
  const small = await decodeAll(archive, preprocessing, classifier.batch);
  const images = small.reduce((total, { rows }) => total + rows, 0);
  const runBare = async (batches: readonly ImageBatch[]) => {
    for (const { tensor, rows, height, width } of batches) {
      await bare.run({ [input]: new Tensor('float32', tensor, [rows, 3, height, width]) }, ['features']);
    }
  };
  const timings = await timeInTurn(
    {
      'encoded images to features': async () => {
        const folder = mkdtempSync(join(tmpdir(), 'himplos-bench-'));
        await gatherSet(
          // Opened anew: looking the archive over first is part of the work.
          { name: 'bench', source: await openSource(archive), indexOf: undefined },
          {
            images: { extractor: classifier, preprocessing, threads: THREADS, skipBad: false },
            width: classifier.head.width,
            classes: classifier.head.classes,
            folder,
            overlap: new OverlapFinder(),
            io: { stdout: silent, stderr: silent, env: {}, signal: new AbortController().signal },
          },
        );
        rmSync(folder, { recursive: true });
      },
      'bare session, batches of 64': () => runBare(large),
      [`bare session, batches of ${classifier.batch}`]: () => runBare(small),
    },
    ROUNDS,
  );
  report(title, timings, { count: images, unit: 'images' });
  const [ours, ...peers] = timings;
  const fastest = Math.min(...peers.map(({ median }) => median));
  console.log(
    `  throughput ${(fastest / ours!.median).toFixed(3)} × the faster bare session's, expected ${expected}`,
  );
}

async function decodeAll(
  archive: string,
  preprocessing: Preprocessing,
  batch: number,
): Promise<ImageBatch[]> {
  const source = (await openSource(archive)) as ImageSource;
  const batches: ImageBatch[] = [];
  for await (const images of imageBatches(source, { preprocessing, batch, threads: THREADS }))
    batches.push(images);
  return batches;
}

const silent = { write: () => true };

if (hasRealData) {
  await compareToBareSession(
    'CIFAR-10 model, 1,000 images of 32 × 32',
    realData('cifar10/model.onnx'),
    realData('cifar10/calibration.tar.gz'),
    {
      resize: null,
      crop: null,
      mean: [0.4914, 0.4822, 0.4465],
      std: [0.2023, 0.1994, 0.201],
    },
    0.9,
  );
  await compareToBareSession(
    'ImageNet model, 250 images of 224 × 224',
    realData('imagenet/model.onnx'),
    realData('imagenet/sample.tar.gz'),
    {
      resize: null,
      crop: null,
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
    0.8,
  );
} else {
  console.log(`skipped: ${needsData}`);
}
