/**
 * The built bulk function on a 1 GB `.npy` of 2048 features, scored with a head of 1000 classes: its speed against the
 * batch kernel alone, and the most memory its process takes. `HIMPLOS_BULK_ROWS` changes the number of rows.
 */
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareServing } from '../../functions/runtime/load-serving.ts';
import { decodeDetector } from '../../shared/artifact/detector.ts';
import { encodeNpyHeader } from '../../shared/formats/npy.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import { openFileStore } from '../../shared/store/file-store.ts';
import { makeDetector, publish } from '../functions/published.ts';
import { unpack } from '../functions/unpacked.ts';
import { startLambda } from '../servers/lambda-runtime-api.ts';
import { seededRandom } from './measure.ts';

const [CLASSES, WIDTH, BLOCK] = [1000, 2048, 256];
const ROWS = Number(process.env.HIMPLOS_BULK_ROWS ?? 131_072);

const folder = mkdtempSync(join(tmpdir(), 'himplos-bench-'));
try {
  await measure();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const made = await makeDetector(CLASSES, WIDTH);
  const block = blockOfFeatures();
  const kernelMs = await timeKernel(made.bytes, block);
  const version = await publish(openFileStore(join(folder, 'store')), made);
  writeInput(block);
  const unpacked = await unpack('bulk');
  const host = await startLambda({
    taskRoot: unpacked.taskRoot,
    handler: 'index.handler',
    environment: {
      HIMPLOS_STORE: join(folder, 'store'),
      HIMPLOS_DETECTOR: 'birds',
      HIMPLOS_CHANNEL: 'production',
      HIMPLOS_BULK: join(folder, 'bulk'),
      TMPDIR: folder,
    },
    timeoutMs: 600_000,
  });
  try {
    const s3 = { bucket: { name: 'any' }, object: { key: 'inbox/a.npy' } };
    let peak = 0;
    const watch = setInterval(async () => {
      peak = Math.max(peak, await host.residentBytes().catch(() => 0));
    }, 100);
    const start = performance.now();
    const { functionError, payload } = await host.invoke({
      Records: [{ eventName: 'ObjectCreated:Put', s3 }],
    });
    const elapsed = performance.now() - start;
    clearInterval(watch);
    if (functionError !== undefined) throw new Error(JSON.stringify(payload));
    const summary = JSON.parse(
      readFileSync(join(folder, 'bulk', 'scores', 'inbox', `a.npy.${version}.summary.json`), 'utf8'),
    );
    if (summary.rows !== ROWS) throw new Error(JSON.stringify(summary));
    const rate = (ROWS / elapsed) * 1000;
    const kernelRate = (BLOCK / kernelMs) * 1000;
    console.log(
      `${ROWS} rows, ${(summary.input_bytes / 1e6).toFixed(0)} MB: ${(elapsed / 1000).toFixed(1)} s from invocation to answer`,
    );
    console.log(
      `  bulk ${rate.toFixed(0)} rows/s, batch kernel alone ${kernelRate.toFixed(0)} rows/s: ${(rate / kernelRate).toFixed(2)} of its speed`,
    );
    console.log(`  most resident memory ${(peak / 1e6).toFixed(0)} MB`);
  } finally {
    await host.stop();
    unpacked.remove();
  }
}

function blockOfFeatures(): Float32Array {
  const random = seededRandom(1);
  return Float32Array.from({ length: BLOCK * WIDTH }, () => Math.max(0, 2 * random() - 0.8));
}

/** Median milliseconds of a block, in this process. */
async function timeKernel(bytes: Uint8Array, block: Float32Array): Promise<number> {
  const { scorer } = await prepareServing('', await decodeDetector(bytes), await compileKernel());
  const scores = allocateScores(BLOCK);
  const times = Array.from({ length: 40 }, () => {
    const start = performance.now();
    scorer.score(block, BLOCK, scores);
    return performance.now() - start;
  });
  return times.slice(5).sort((a, b) => a - b)[17]!;
}

function writeInput(block: Float32Array): void {
  mkdirSync(join(folder, 'bulk/inbox'), { recursive: true });
  const file = openSync(join(folder, 'bulk/inbox/a.npy'), 'w');
  writeSync(file, encodeNpyHeader('F32', [ROWS, WIDTH]));
  const bytes = new Uint8Array(block.buffer);
  for (let row = 0; row < ROWS; row += BLOCK) {
    writeSync(file, bytes.subarray(0, Math.min(BLOCK, ROWS - row) * WIDTH * 4));
  }
}
