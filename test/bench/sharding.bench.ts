/**
 * Sharded calibration at ImageNet size: rows a second and memory of one shard of HIMPLoS statistics over generated
 * 2048 × 1000 rows, for sources of 100,000 to 1,280,000 rows, and the merge of 100 partials. Labels go round the
 * classes, so every block touches all of them: in archives ordered by class, partials are smaller and merging is
 * faster. Each run is a process of its own, because peak memory is the process's. Exit status 1 when a shard takes more
 * memory than it may.
 *
 * `node test/bench/sharding.bench.ts [scale]` runs at a fraction of the size.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
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

/** What one process measures, and prints as JSON. */
interface Run {
  readonly rows: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  /** Resident at most. */
  readonly megabytes: number;
  readonly partialMegabytes: number;
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
        runs[i]!.push(start('shard', `${Math.round(rows * scale)}`, `${shards}`, `${shards >> 1}`, one));
        rmSync(one, { recursive: true });
      }
    }
    for (const [i, [rows, shards]] of sizes.entries()) {
      const name = `shard ${shards >> 1} of ${shards} of ${Math.round(rows * scale)} rows`;
      reportRuns(name, runs[i]!);
      if (runs[i]!.some(({ megabytes }) => megabytes > MAX_SHARD_MB)) process.exitCode = 1;
    }
    const rates = runs.map(
      (of) => of[0]!.rows / of.map(({ seconds }) => seconds).sort((a, b) => a - b)[ROUNDS >> 1]!,
    );
    const [least, most] = [Math.min(...rates), Math.max(...rates)];
    console.log(
      `  rows a second: within ± ${((100 * (most - least)) / (most + least)).toFixed(0)} % of each other`,
    );

    const all = join(folder, 'all');
    start('prepare', `${Math.round(1_638_400 * scale)}`, all);
    const merges: Run[] = [];
    for (let round = 0; round < ROUNDS; round++) merges.push(start('merge', all));
    console.log(
      `\nMerge of ${MERGED_SHARDS} shards, ${CALIBRATION_ROWS} calibration rows scored; median of ${ROUNDS}`,
    );
    reportRuns('all rows', merges);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function start(...options: readonly string[]): Run {
  const { status, stdout } = spawnSync(process.execPath, [self, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${options.join(' ')}: exit status ${status}`);
  return JSON.parse(stdout || 'null') as Run;
}

function reportRuns(name: string, runs: readonly Run[]): void {
  const { rows, partialMegabytes } = runs[0]!;
  const facts = [
    spread(runs, 's', 2, ({ seconds }) => seconds),
    spread(runs, 'rows/s', 0, ({ seconds }) => rows / seconds),
    spread(runs, 's of processor time', 2, ({ processorSeconds }) => processorSeconds),
    spread(runs, 'MB resident at most', 0, ({ megabytes }) => megabytes),
  ];
  console.log(`  ${name}: ${rows} rows in ${facts.join(', ')}, ${partialMegabytes.toFixed(0)} MB a partial`);
}

/** `median (min … max) unit`. */
function spread(runs: readonly Run[], unit: string, digits: number, of: (run: Run) => number): string {
  const sorted = runs.map(of).sort((a, b) => a - b);
  const [min, median, max] = [0, sorted.length >> 1, sorted.length - 1].map((i) =>
    sorted[i]!.toFixed(digits),
  );
  return `${median} (${min} … ${max}) ${unit}`;
}

async function measureShard(rows: number, count: number, index: number, folder: string): Promise<void> {
  const plan = await makePlan(rows, count);
  for await (const _ of generate(0, PORTION)); // makes the numbers that rows are taken from
  await measure(folder, () => writePass(rows, { index, count }, folder, plan));
}

/** Prints what `work`, which resolves to a number of rows, takes; partials of the first pass lie in the folder then. */
async function measure(folder: string, work: () => Promise<number>): Promise<void> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const rows = await work();
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const [file] = readdirSync(join(folder, 'pass-1'));
  const run: Run = {
    ...{ rows, seconds, processorSeconds: (user + system) / 1e6 },
    megabytes: process.resourceUsage().maxRSS / 1024,
    partialMegabytes: statSync(join(folder, 'pass-1', file!)).size / 1e6,
  };
  console.log(JSON.stringify(run));
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
  await measure(folder, async () => {
    let merged = 0;
    await mergeShards({ store: await openStore(folder), head }, io, async ({ data }) => {
      merged = data.sets.train.rows;
    });
    return merged;
  });
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
