/**
 * Does calibration wait for anything but the model? Images per second from encoded images to features, against a bare
 * onnxruntime session on tensors that were decoded before; and scoring rows against the fused graph alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { openClassifier } from '../../calibrate/features/classifier.ts';
import { gatherSet } from '../../calibrate/features/gather-set.ts';
import { imageBatches } from '../../calibrate/images/image-batches.ts';
import { cutAtHead } from '../../calibrate/onnx/cut-at-head.ts';
import type { ImageSource } from '../../calibrate/sources/contract.ts';
import { openSource } from '../../calibrate/sources/open-source.ts';
import { OverlapFinder } from '../../calibrate/sources/overlap.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';
import { report, timeInTurn } from './measure.ts';

const THREADS = 2;
const BATCH = 64;
const ROUNDS = 3;

async function compareToBareSession(
  title: string,
  model: string,
  archive: string,
  preprocessing: Preprocessing,
) {
  await using classifier = await openClassifier(model, { device: 'cpu', threads: THREADS });
  // As anybody would open it: onnxruntime's own settings but for the number of threads.
  const bare = await InferenceSession.create(cutAtHead(classifier.model, classifier.found), {
    intraOpNumThreads: THREADS,
  });
  const input = bare.inputNames[0]!;
  const source = (await openSource(archive)) as ImageSource;
  const options = { preprocessing, batch: BATCH, threads: THREADS };
  const decoded: { tensor: Float32Array<ArrayBuffer>; rows: number; height: number; width: number }[] = [];
  for await (const { tensor, rows, height, width } of imageBatches(source, options)) {
    decoded.push({ tensor: tensor.slice(), rows, height, width });
  }
  const images = decoded.reduce((total, { rows }) => total + rows, 0);
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
      'bare session on decoded tensors': async () => {
        for (const { tensor, rows, height, width } of decoded) {
          await bare.run({ [input]: new Tensor('float32', tensor, [rows, 3, height, width]) }, ['features']);
        }
      },
    },
    ROUNDS,
  );
  report(title, timings, { count: images, unit: 'images' });
  const [ours, peer] = timings;
  console.log(`  throughput ratio ${(peer!.median / ours!.median).toFixed(3)}`);
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
  );
} else {
  console.log(`skipped: ${needsData}`);
}
