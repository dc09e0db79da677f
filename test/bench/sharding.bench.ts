/**
 * Sharded calibration at ImageNet size: rows a second and memory of one shard of HIMPLoS statistics over generated
 * 2048 × 1000 rows, for sources of 100,000 to 1,280,000 rows, and the merge of 100 partials. Labels go round the
 * classes, so every block touches all of them: in archives ordered by class, partials are smaller and merging is
 * faster. Each run is a process of its own, because peak memory is the process's. Exit status 1 when a shard takes more
 * memory than it may.
 *
 * `node test/bench/sharding.bench.ts [scale]` runs at a fraction of the size.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FeatureSet } from '../../calibrate/features/feature-set.ts';
import { mergeShards } from '../../calibrate/sharding/merge-shards.ts';
import { shardIdentity, shardKey } from '../../calibrate/sharding/partial-keys.ts';
import { agreeOnPlan, type Plan, stampOf } from '../../calibrate/sharding/plan.ts';
import { writeShardPass } from '../../calibrate/sharding/reduce-shard.ts';
import { ReplayedFit } from '../../calibrate/sharding/replayed-fit.ts';
import { partOfShard } from '../../calibrate/sharding/shard-range.ts';
import { RowRecorder, writeShardRows } from '../../calibrate/sharding/shard-rows.ts';
import { toolVersion } from '../../calibrate/tool-version.ts';
import { fingerprintHead } from '../../shared/artifact/detector.ts';
import { encodeSafetensors } from '../../shared/formats/safetensors.ts';
import type { Head } from '../../shared/methods/contract.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { openStore } from '../../shared/store/open-store.ts';
import { f32 } from '../../shared/tensor.ts';
import { seededRandom } from './measure.ts';
import { measureRun, medianRate, type Run, reportRuns, startRun } from './measure-apart.ts';

const WIDTH = 2048;
const CLASSES = 1000;
const PORTION = 512;
const CALIBRATION_ROWS = 1024;
const MERGED_SHARDS = 100;
const self = fileURLToPath(import.meta.url);
const { signal } = new AbortController();
const detector = findDetector('himplos');

const ROUNDS = 3;
const MAX_SHARD_MB = 300;

const [part, ...given] = process.argv.slice(2);
const scale = part === undefined || /^[\d.]+$/.test(part) ? Number(part ?? 1) : 1;
let generatedHead: Head | undefined;
let pool: Float32Array | undefined;
switch (part) {
  case 'prepare':
    await preparePartials(Number(given[0]), MERGED_SHARDS, given[1]!);
    break;
  case 'shard':
    await measureShard(Number(given[0]), Number(given[1]), Number(given[2]), given[3]!);
    break;
  case 'merge':
    await measureMerge(given[0]!);
    break;
  default:
    await measureAll();
}

async function measureAll(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'himplos-bench-'));
  try {
    console.log(
      `\nOne shard of HIMPLoS statistics, ${WIDTH} channels, ${CLASSES} classes; median of ${ROUNDS}`,
    );
    const sizes = [
      [100_000, 1],
      [320_000, 1],
      [1_280_000, 1],
      [100_000, 4],
      [1_280_000, 4],
      [1_280_000, 16],
    ] as const;
    const runs = sizes.map((): Run[] => []);
    const one = join(folder, 'one');
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, [rows, shards]] of sizes.entries()) {
        runs[i]!.push(
          startRun(self, 'shard', `${Math.round(rows * scale)}`, `${shards}`, `${shards >> 1}`, one),
        );
        rmSync(one, { recursive: true });
      }
    }
    for (const [i, [rows, shards]] of sizes.entries()) {
      const name = `shard ${shards >> 1} of ${shards} of ${Math.round(rows * scale)} rows`;
      reportRuns(name, runs[i]!);
      if (runs[i]!.some(({ megabytes }) => megabytes > MAX_SHARD_MB)) process.exitCode = 1;
    }
    const rates = runs.filter(([run]) => run!.rows >= 100_000 * scale).map(medianRate);
    const [least, most] = [Math.min(...rates), Math.max(...rates)];
    const tolerance = (100 * (most - least)) / (most + least);
    console.log(
      `  rows a second of shards of at least ${100_000 * scale} rows: within ± ${tolerance.toFixed(0)} %`,
    );

    const all = join(folder, 'all');
    startRun(self, 'prepare', `${Math.round(1_638_400 * scale)}`, all);
    const merges: Run[] = [];
    for (let round = 0; round < ROUNDS; round++) merges.push(startRun(self, 'merge', all));
    console.log(
      `\nMerge of ${MERGED_SHARDS} shards, ${CALIBRATION_ROWS} calibration rows scored; median of ${ROUNDS}`,
    );
    reportRuns('all rows', merges);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureShard(rows: number, count: number, index: number, folder: string): Promise<void> {
  const plan = await makePlan(rows, count);
  for await (const _ of generate(0, PORTION)); // makes the numbers that rows are taken from
  await measureRun(() => writePass(rows, { index, count }, folder, plan), folder);
}

/** The statistics of one shard, as `calibrate --shard` writes them; resolves to its rows. */
async function writePass(
  rows: number,
  shard: { readonly index: number; readonly count: number },
  folder: string,
  plan: Plan,
): Promise<number> {
  const head = makeHead();
  const { state } = new ReplayedFit({
    detector,
    head,
    totalRows: { train: rows, calibration: CALIBRATION_ROWS },
  });
  const { blocks, samples } = partOfShard(rows, CLASSES, shard);
  const identity = {
    ...shardIdentity(1, shard.index, stampOf(plan)),
    rowsDigest: digestOfShard(shard.index),
  };
  const work = {
    statistics: state.statistics!,
    ...{ head, totalRows: rows, blocks },
    rows: () => generate(samples.first, samples.end),
  };
  const store = await openStore(folder);
  await writeShardPass(store, shardKey(1, shard), identity, work, signal);
  return samples.end - samples.first;
}

/** What 100 machines would have left behind. */
async function preparePartials(rows: number, count: number, folder: string): Promise<void> {
  const head = makeHead();
  mkdirSync(folder);
  writeFileSync(
    join(folder, '.head.safetensors'),
    encodeSafetensors({ weight: f32(head.weight, CLASSES, WIDTH), bias: f32(head.bias, CLASSES) }),
  );
  const plan = await makePlan(rows, count);
  const store = await openStore(folder);
  await agreeOnPlan(store, plan, signal);
  for (let index = 0; index < count; index++) {
    const shard = { index, count };
    await writePass(rows, shard, folder, plan);
    const recorder = new RowRecorder();
    const sets = (['train', 'calibration'] as const).map((key) => {
      const { samples } =
        key === 'train' ? partOfShard(rows, CLASSES, shard) : partOfShard(CALIBRATION_ROWS, 0, shard);
      return { key, set: generatedSet(key, samples.first, samples.end, recorder, digestOfShard(index)) };
    });
    const identity = shardIdentity(0, index, stampOf(plan));
    await writeShardRows(store, shardKey(0, shard), identity, { sets, recorder }, signal);
  }
}

async function measureMerge(folder: string): Promise<void> {
  const head = join(folder, '.head.safetensors');
  const io = { stdout: { write: () => {} }, stderr: { write: () => {} }, env: {}, signal };
  await measureRun(async () => {
    let merged = 0;
    await mergeShards({ store: await openStore(folder), head }, io, async ({ data }) => {
      merged = data.sets.train.rows;
    });
    return merged;
  }, folder);
}

async function makePlan(rows: number, shards: number): Promise<Plan> {
  const outline = (samples: number) => ({ kind: 'features', samples, digest: '0'.repeat(64) }) as const;
  return {
    formatVersion: 1,
    toolVersion,
    shards,
    head: { classes: CLASSES, width: WIDTH, fingerprint: await fingerprintHead(makeHead()), model: null },
    parameters: {
      ...{ method: detector.spec, tpr: 0.95, name: null, headInput: null, preprocessing: null, images: null },
      ...{ allowMissingClasses: false, allowOverlap: false, skipBad: false },
      classNames: Array.from({ length: CLASSES }, (_, c) => String(c)),
    },
    inputs: { train: outline(rows), calibration: outline(CALIBRATION_ROWS), evaluation: null, ood: [] },
  };
}

function generatedSet(
  role: string,
  first: number,
  end: number,
  recorder: RowRecorder,
  digest: string,
): FeatureSet {
  const rows = end - first;
  for (let row = first; row < end; row++) {
    recorder.add(role, createHash('sha256').update(`${role} ${row}`).digest(), `row ${row}`);
  }
  return {
    ...{ role, kind: 'features', rows, samples: rows, width: WIDTH, digest, skipped: 0 },
    labels: Int32Array.from({ length: rows }, (_, i) => (first + i) % CLASSES),
    positionOf: (row) => first + row,
    nameOf: (row) => `row ${first + row}`,
    async *batches() {
      for await (const portion of generate(first, end))
        yield { ...portion, firstRow: portion.firstRow - first };
    },
  };
}

function digestOfShard(index: number): string {
  return createHash('sha256').update(`shard ${index}`).digest('hex');
}

function makeHead(): Head {
  generatedHead ??= {
    classes: CLASSES,
    width: WIDTH,
    weight: noise(CLASSES * WIDTH, 7),
    bias: new Float32Array(CLASSES),
  };
  return generatedHead;
}

/** Half-normal activations, as after a ReLU and pooling; each portion is another stretch of the same noise. */
async function* generate(first: number, end: number) {
  pool ??= noise(PORTION * WIDTH * 4, 3).map(Math.abs);
  const random = seededRandom(5);
  const labels = new Int32Array(PORTION);
  for (let firstRow = first; firstRow < end; firstRow += PORTION) {
    const rows = Math.min(PORTION, end - firstRow);
    const at = Math.floor(random() * PORTION * WIDTH * 3);
    for (let i = 0; i < rows; i++) labels[i] = (firstRow + i) % CLASSES;
    yield { rows, firstRow, features: pool.subarray(at, at + rows * WIDTH), labels };
  }
}

function noise(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => random() + random() + random() - 1.5);
}
