/**
 * The images function with MobileNetV2 of 1000 classes: what HIMPLoS adds to the classifier's own session time, and a
 * cold start from the start of the process to the first answer, by stage. Needs the benchmark data.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { keepOutputs } from '../../calibrate/onnx/keep-outputs.ts';
import { openSession } from '../../calibrate/session.ts';
import { prepareServing } from '../../functions/runtime/load-serving.ts';
import { loadDetector } from '../../shared/artifact/load-detector.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import { runQuietly } from '../calibrate/demo-detector.ts';
import { functionUrlEvent } from '../functions/events.ts';
import { imagenetOptions } from '../functions/imagenet-options.ts';
import { environmentOf } from '../functions/published.ts';
import { publishFolder, unpack } from '../functions/unpacked.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';
import { startFakeS3 } from '../servers/fake-s3.ts';
import { startLambda } from '../servers/lambda-runtime-api.ts';
import { measureOverhead, report, seededRandom, timeInTurn } from './measure.ts';

const [SIDE, RUNS, PAIRS, STARTS] = [224, 2, 120, 11];

if (!hasRealData) console.log(`skipped: ${needsData}`);
else await measure();

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'himplos-bench-'));
  try {
    const detector = join(folder, 'detector');
    await runQuietly(['calibrate', ...(await imagenetOptions(folder)), '--device', 'cpu', '--out', detector]);
    const wanted = process.env.HIMPLOS_BENCH ?? 'sessions starts';
    for (const threads of wanted.includes('sessions') ? [1, 2] : []) {
      for (const batch of [1, 8]) await measureSessions(detector, batch, threads);
    }
    if (wanted.includes('starts')) await measureStarts(detector, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureSessions(detector: string, batch: number, threads: number): Promise<void> {
  const options = { device: 'cpu', threads } as const;
  const plain = await openSession(readFileSync(realData('imagenet/model.onnx')), 'classifier', options);
  const fused = await openSession(readFileSync(join(detector, 'detector.onnx')), 'detector', options);
  const kept = keepOutputs(readFileSync(join(detector, 'detector.onnx')), ['features']);
  const cut = await openSession(kept, 'classifier up to its features', options);
  const loaded = await loadDetector(openArtifactFolder(detector));
  const serving = await prepareServing(loaded.version, loaded, await compileKernel());
  const random = seededRandom(1);
  const tensor = Float32Array.from({ length: batch * 3 * SIDE * SIDE }, () => 2 * random() - 1);
  const dims = [batch, 3, SIDE, SIDE];
  const scores = allocateScores(batch);
  const candidates = {
    'as the images function does': async () => {
      const { features } = await cut.run(cut.input.name, tensor, dims, ['features']);
      serving.scorer.score(features as Float32Array, batch, scores);
    },
    'detector.onnx, all of it': () => fused.run(fused.input.name, tensor, dims, ['score', 'predicted_class']),
  };
  console.log(`\nadded to the classifier's own session time, ${batch} images a run, ${threads} threads`);
  for (const [name, ours] of Object.entries(candidates)) {
    const { pairs, fastest, peerMs } = await measureOverhead(
      ours,
      () => plain.run(plain.input.name, tensor, dims, [plain.outputs[0]!]),
      { pairs: batch === 1 ? PAIRS : PAIRS / 4, runs: RUNS },
    );
    const [low, middle, high] = pairs.map((value) => value.toFixed(2));
    console.log(
      `  ${name}: ${fastest.toFixed(2)} % between the fastest tenths, ${middle} % by pairs (${low} … ${high}); the classifier alone ${peerMs.toFixed(2)} ms`,
    );
  }
  await plain.close();
  await fused.close();
  await cut.close();
}

async function measureStarts(detector: string, folder: string): Promise<void> {
  const s3 = await startFakeS3();
  await publishFolder(s3, detector);
  const unpacked = await unpack('images');
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  const image = await sharp({ create: { width: SIDE, height: SIDE, channels: 3, background: 'grey', noise } })
    .jpeg()
    .toBuffer();
  const event = functionUrlEvent('POST', '/v1/images', image, { 'content-type': 'image/jpeg' });
  const stages = new Map<string, number[]>();
  let starts = 0;
  const start = async (temporary: string, isCounted: boolean) => {
    const begun = performance.now();
    const host = await startLambda({
      taskRoot: unpacked.taskRoot,
      handler: 'index.handler',
      environment: { ...environmentOf(s3), TMPDIR: temporary },
    });
    const { functionError, payload } = await host.invoke(event);
    const elapsed = performance.now() - begun;
    if (functionError !== undefined || !JSON.stringify(payload).includes('score')) {
      throw new Error(JSON.stringify(payload));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    const metrics = JSON.parse(host.logs().trim().split('\n').at(-1)!);
    for (const [name, value] of Object.entries(metrics)) {
      if (isCounted && name.startsWith('Latency'))
        stages.set(name, [...(stages.get(name) ?? []), Number(value)]);
    }
    await host.stop();
    return elapsed;
  };
  try {
    const kept = mkdtempSync(join(folder, 'kept-'));
    const timings = await timeInTurn(
      {
        'model from the store': () => start(mkdtempSync(join(folder, `${starts++}-`)), true),
        'model from /tmp': () => start(kept, false),
      },
      STARTS,
    );
    report('process start to first answer', timings);
    console.log('  in the first request, model from the store:');
    for (const [name, values] of stages) {
      console.log(`    ${name}: ${values.sort((a, b) => a - b)[values.length >> 1]!.toFixed(1)} ms`);
    }
  } finally {
    unpacked.remove();
    await s3.close();
  }
}
