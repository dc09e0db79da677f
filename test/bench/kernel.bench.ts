/**
 * The kernel's scoring step at 2048 × 1000, one thread, against the fused graph in onnxruntime-node, Debian's numpy
 * and one streaming read of W; then batches in GFLOP/s.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { buildHeadModel } from '../../calibrate/onnx/fused-graph.ts';
import { compileKernel, openKernel } from '../../shared/kernel/kernel-module.ts';
import { prepareScorer } from '../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import {
  fittedHimplos,
  randomFeatures,
  randomHead,
  randomPrototypes,
  seeded,
} from '../shared/kernel/heads.ts';
import { timeSteps } from './kernel-steps.ts';
import { report, timeInTurn } from './measure.ts';
import { measurePeak } from './peak-flops.ts';

const [CLASSES, WIDTH, ROUNDS, REPEATS] = [1000, 2048, 41, 20];
/**
 * Debian's numpy stands on OpenBLAS once libopenblas0-pthread is installed, and on the reference BLAS (3.6 ms) without
 * it. The peer says which it found; HIMPLOS_PYTHON names another Python.
 */
const PYTHON = process.env.HIMPLOS_PYTHON ?? '/usr/bin/python3';

/** Of W with 64 samples. */
const PRODUCT_FLOPS = 2 * 64 * CLASSES * WIDTH;

const random = seeded(1);
const head = randomHead(random, CLASSES, WIDTH);
const prototypes = randomPrototypes(random, head);
const features = randomFeatures(random, 64, WIDTH);
const one = features.slice(0, WIDTH);
const module = (await compileKernel())!;
console.log(`kernel: ${module.kind}`);

for (const mask of [10, 50, 90]) {
  const fitted = fittedHimplos(head, prototypes, { mask });
  const scorer = prepareScorer(fitted, module);
  const scores = allocateScores(64);
  const session = await InferenceSession.create(buildHeadModel({ ...fitted, gamma: 0 }), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const input = new Tensor('float32', one, [1, WIDTH]);
  const numpy = existsSync(PYTHON) ? await startNumpy(mask) : undefined;
  const timings = await timeInTurn(
    {
      kernel: () => repeated(() => scorer.score(one, 1, scores)),
      'one streaming read of W': () => repeated(streamingRead()),
      ...(numpy !== undefined && { numpy: () => numpy.run() }),
      'fused graph in onnxruntime-node': async () => {
        const start = performance.now();
        for (let i = 0; i < REPEATS; i++) await session.run({ features: input }, ['score']);
        return (performance.now() - start) / REPEATS;
      },
    },
    ROUNDS,
  );
  numpy?.stop();
  report(`one embedding at p = ${mask}`, timings);
  const medianOf = (name: string) => timings.find((timing) => timing.name === name)?.median ?? Number.NaN;
  const mine = medianOf('kernel');
  console.log(`  kernel / numpy ${(mine / medianOf('numpy')).toFixed(2)}`);
  console.log(`  kernel / streaming read of W ${(mine / medianOf('one streaming read of W')).toFixed(2)}`);

  const batch = await timeInTurn({ 'kernel, batch 64': () => scorer.score(features, 64, scores) }, ROUNDS);
  report(`batches of 64 at p = ${mask}`, batch, { count: 64, unit: 'samples' });
  const plain = (2 * PRODUCT_FLOPS) / batch[0]!.median / 1e6;
  console.log(`  as long as two whole products of W with every sample take at ${plain.toFixed(1)} GFLOP/s`);
  await timeSteps(fitted, module, features);
}

const dense = openKernel(module, head, { hasChannels: false, hasBytes: false })!;
dense.features.set(features);
const [products] = await timeInTurn({ logits: () => dense.exports.computeLogits(64) }, ROUNDS);
const [median, fastest] = [products!.median, products!.min].map((ms) =>
  (PRODUCT_FLOPS / ms / 1e6).toFixed(1),
);
const peak = (await measurePeak())?.toFixed(1) ?? 'unknown';
console.log(
  `\nlogits of a batch of 64: ${median} GFLOP/s, ${fastest} at best; multiply–adds alone reach ${peak} here`,
);

function repeated(work: () => void): number {
  const start = performance.now();
  for (let i = 0; i < REPEATS; i++) work();
  return (performance.now() - start) / REPEATS;
}

/** A copy within WebAssembly memory reads W at the speed of memory; its write is not counted, so it is a floor. */
function streamingRead(): () => void {
  const source = head.weight;
  const target = new Float32Array(4096);
  return () => {
    for (let at = 0; at < source.length; at += target.length)
      target.set(source.subarray(at, at + target.length));
  };
}

/** numpy in a process of its own, with one thread; times itself. */
async function startNumpy(mask: number): Promise<{ run(): Promise<number>; stop(): void }> {
  const script = fileURLToPath(new URL('./numpy-himplos.py', import.meta.url));
  const child: ChildProcess = spawn(PYTHON, [script, ...[WIDTH, CLASSES, mask, REPEATS].map(String)], {
    env: { ...process.env, OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  console.log(`\n${(await lines.next()).value}`);
  return {
    async run() {
      child.stdin!.write('\n');
      return Number((await lines.next()).value);
    },
    stop: () => void child.stdin!.end(),
  };
}
