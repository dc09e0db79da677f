/**
 * Statistics at ImageNet size: memory of a HIMPLoS fit over 1,281,167 rows that are generated as they are read, class
 * sums over a 1 GB file against numpy and `cat`, and the covariance behind Mahalanobis, RMDS and ViM. Each in a process of
 * its own, because peak memory is the process's.
 *
 * `node test/bench/statistics.bench.ts [scale]` runs at a fraction of the size; `fit ROWS`, `covariance ROWS` and
 * `compare-sums ROWS` run one part.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FeatureSource } from '../../calibrate/sources/contract.ts';
import { openSource } from '../../calibrate/sources/open-source.ts';
import { encodeNpyHeader } from '../../shared/formats/npy.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { classSums } from '../../shared/statistics/class-sums.ts';
import { reduceRows } from '../../shared/statistics/reduce-rows.ts';
import { runFit } from '../../shared/statistics/run-fit.ts';
import { report, seededRandom, timeInTurn } from './measure.ts';

const WIDTH = 2048;
const CLASSES = 1000;
const PORTION = 256;
const ROUNDS = 7;
/** Debian's, which has Debian's numpy. */
const PYTHON = '/usr/bin/python3';
const self = fileURLToPath(import.meta.url);

const NUMPY = `
import sys, time
import numpy
start = time.perf_counter()
features = numpy.load(sys.argv[1], mmap_mode="r")
labels = numpy.arange(len(features)) * ${CLASSES} // len(features)
sums = numpy.zeros((${CLASSES}, features.shape[1]))
for c in range(${CLASSES}):
    sums[c] = features[labels == c].sum(0, dtype=numpy.float64)
print(1000 * (time.perf_counter() - start))
`;

const [part, amount] = process.argv.slice(2);
const scale = part === undefined || /^[\d.]+$/.test(part) ? Number(part ?? 1) : 1;
switch (part) {
  case 'fit':
    await fitGenerated('himplos', Number(amount), 300);
    break;
  case 'covariance':
    await fitGenerated('mahalanobis', Number(amount), 600);
    break;
  case 'sums':
    await sumFile(amount!);
    break;
  case 'compare-sums':
    await compareSums(Number(amount));
    break;
  default:
    run('HIMPLoS statistics', 'fit', String(Math.round(1_281_167 * scale)));
    await compareSums(Math.round(131_072 * scale));
    run('Mahalanobis statistics', 'covariance', String(Math.round(100_000 * scale)));
}

function run(title: string, name: string, argument: string): void {
  console.log(`\n${title}`);
  const { status } = spawnSync(process.execPath, [self, name, argument], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

/** A fit over rows that exist only while they are read. */
async function fitGenerated(spec: string, rows: number, limitMb: number): Promise<void> {
  const head = makeHead();
  const start = performance.now();
  let end = start;
  await runFit(findDetector(spec), {
    head,
    totalRows: { train: rows, calibration: 0 },
    openPass: async function* () {
      yield* generate(rows);
      end = performance.now();
    },
  });
  const [passSeconds, seconds] = [end, performance.now()].map((time) => (time - start) / 1000) as [
    number,
    number,
  ];
  const { maxRSS } = process.resourceUsage();
  console.log(
    `  ${spec}: ${rows} × ${WIDTH} rows, ${CLASSES} classes: ${seconds.toFixed(1)} s, the pass over the rows ${passSeconds.toFixed(1)} s, ${(rows / passSeconds).toFixed(0)} rows/s, ${(maxRSS / 1024).toFixed(0)} MB resident at most, expected ${limitMb}`,
  );
  if (maxRSS / 1024 > limitMb) process.exitCode = 1;
}

function makeHead() {
  return {
    classes: CLASSES,
    width: WIDTH,
    weight: noise(CLASSES * WIDTH, 7),
    bias: new Float32Array(CLASSES),
  };
}

/** Half-normal activations, as after a ReLU and pooling; each portion is another stretch of the same noise. */
async function* generate(rows: number) {
  const pool = noise(PORTION * WIDTH * 4, 3).map(Math.abs);
  const random = seededRandom(5);
  const labels = new Int32Array(PORTION);
  for (let firstRow = 0; firstRow < rows; firstRow += PORTION) {
    const count = Math.min(PORTION, rows - firstRow);
    const at = Math.floor(random() * PORTION * WIDTH * 3);
    for (let i = 0; i < count; i++) labels[i] = (firstRow + i) % CLASSES;
    yield { rows: count, firstRow, features: pool.subarray(at, at + count * WIDTH), labels };
  }
}

function noise(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => random() + random() + random() - 1.5);
}

/**
 * Class sums of a file on disk, ordered by class as archives of class folders are: ours, numpy's (both as they measure
 * themselves, from opening the file to the sums; processes of their own), and the time to read it at all. All run once
 * before, so the file is in the page cache.
 */
async function compareSums(rows: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'himplos-bench-'));
  try {
    const path = join(folder, 'features.npy');
    writeFeatures(path, rows);
    const candidates: Record<string, () => number> = {
      ours: () => timeItself(process.execPath, self, 'sums', path),
      cat: () => timeProcess('bash', '-c', `cat ${path} > /dev/null`),
    };
    const { status } = spawnSync(PYTHON, ['-c', 'import numpy']);
    if (status === 0) candidates['numpy, a loop over classes'] = () => timeItself(PYTHON, '-c', NUMPY, path);
    else console.log(`numpy: skipped, ${PYTHON} with numpy is not here`);
    const timings = await timeInTurn(candidates, ROUNDS);
    report(`Class sums over ${((rows * WIDTH * 4) / 1e9).toFixed(2)} GB of .npy`, timings);
    const [ours, cat] = timings;
    console.log(`  ours: ${(ours!.median / cat!.median).toFixed(2)} × the time of cat`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The milliseconds that a process prints. */
function timeItself(command: string, ...args: readonly string[]): number {
  return Number(execFileSync(command, args, { encoding: 'utf8' }));
}

function timeProcess(command: string, ...args: readonly string[]): number {
  const start = performance.now();
  execFileSync(command, args);
  return performance.now() - start;
}

function writeFeatures(path: string, rows: number): void {
  const file = openSync(path, 'wx');
  writeSync(file, encodeNpyHeader('F32', [rows, WIDTH]));
  const pool = noise(PORTION * WIDTH, 11);
  for (let row = 0; row < rows; row += PORTION) {
    writeSync(file, new Uint8Array(pool.buffer, 0, Math.min(PORTION, rows - row) * WIDTH * 4));
  }
  closeSync(file);
  execFileSync('sync');
}

/** Prints the milliseconds from opening the file to its class sums. */
async function sumFile(path: string): Promise<void> {
  const head = makeHead();
  const start = performance.now();
  const source = (await openSource(path)) as FeatureSource;
  const labels = Int32Array.from({ length: source.rows }, (_, row) =>
    Math.floor((row * CLASSES) / source.rows),
  );
  const { reducers } = await reduceRows({
    statistics: [classSums],
    head,
    over: 'train',
    pass: 1,
    totalRows: source.rows,
    openPass: async function* () {
      for await (const batch of source.batches(512)) {
        yield { ...batch, labels: labels.subarray(batch.firstRow, batch.firstRow + batch.rows) };
      }
    },
  });
  reducers.get(classSums.key)!.result();
  console.log(performance.now() - start);
}
