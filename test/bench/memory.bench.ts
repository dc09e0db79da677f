/**
 * Is memory flat in the number of images? Peak resident memory of `himplos features` on 1,000 and 5,000 drawings of
 * 48 × 48 pixels, and on as many photographs of 224 × 224 (the benchmark's 250, over and over), each run a process of its
 * own. Exit status 1 when the medians differ by more than a tenth: that is a result and no matter of how busy the machine
 * is.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { pack } from 'tar-stream';
import { openSource } from '../../calibrate/sources/open-source.ts';
import { classNames } from '../../demo/drawing/data-set.ts';
import { dataSetPaths, writeDataSet } from '../../demo/write-data-set.ts';
import { DEMO_MODEL, DEMO_PREPROCESSING, runQuietly } from '../calibrate/demo-detector.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';

const SIZES = [1000, 5000] as const;
const ROUNDS = 3;
const TOLERANCE = 0.1;

const [task, ...argv] = process.argv.slice(2);
if (task === 'draw') await draw(argv[0]!, Number(argv[1]));
else if (task === 'repeat') await repeatPhotographs(argv[0]!, Number(argv[1]));
else if (task === 'measure') await measure(argv);
else {
  compare('drawings of 48 × 48', 'draw', ['--model', DEMO_MODEL, ...DEMO_PREPROCESSING]);
  const half = '0.5,0.5,0.5';
  const model = realData('imagenet/model.onnx');
  if (hasRealData) {
    compare('photographs of 224 × 224', 'repeat', ['--model', model, '--mean', half, '--std', half]);
  } else console.log(`photographs: skipped, ${needsData}`);
}

function compare(title: string, make: 'draw' | 'repeat', options: readonly string[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'himplos-bench-'));
  try {
    const peaks = new Map<number, number[]>(SIZES.map((size) => [size, []]));
    for (const size of SIZES) start(make, join(folder, `${size}`), `${size}`);
    for (let round = 0; round < ROUNDS; round++) {
      for (const size of SIZES) {
        const out = join(folder, `${size}-${round}.npy`);
        const archive = join(folder, `${size}`, dataSetPaths.train);
        const command = ['features', archive, ...options, '--out', out];
        peaks.get(size)!.push(Number(start('measure', ...command, '--device', 'cpu', '--threads', '2')));
      }
    }
    console.log(`\n${title}`);
    report([...peaks].map(([size, values]) => ({ size, sorted: values.toSorted((a, b) => a - b) })));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function report(peaks: readonly { readonly size: number; readonly sorted: readonly number[] }[]): void {
  const medians = peaks.map(({ sorted }) => sorted[sorted.length >> 1]!);
  peaks.forEach(({ size, sorted }, i) => {
    console.log(
      `  ${size} images: peak ${medians[i]!.toFixed(0)} MiB (${sorted[0]!.toFixed(0)} … ${sorted.at(-1)!.toFixed(0)})`,
    );
  });
  const ratio = medians[1]! / medians[0]!;
  console.log(`  ratio ${ratio.toFixed(3)}, expected ${1 - TOLERANCE} to ${1 + TOLERANCE}`);
  if (Math.abs(ratio - 1) > TOLERANCE) process.exitCode = 1;
}

/** Runs a task of this file in a process of its own: a process starts with the peak of the one it is forked from. */
function start(...args: readonly string[]): string {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...args], { encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`${args.join(' ')}: exit status ${child.status}\n${child.stderr}`);
  return child.stdout;
}

async function draw(folder: string, images: number): Promise<void> {
  const none = { calibrationPerClass: 0, testPerClass: 0, unknownPerSet: 0 };
  const trainPerClass = Math.round(images / classNames.length);
  await writeDataSet(folder, { ...none, trainPerClass }, new AbortController().signal);
}

async function repeatPhotographs(folder: string, images: number): Promise<void> {
  const source = await openSource(realData('imagenet/sample.tar.gz'));
  if (source.kind !== 'images') throw new Error('expected photographs');
  const photographs: Uint8Array[] = [];
  for await (const { bytes } of source.samples()) photographs.push(bytes);
  const path = join(folder, dataSetPaths.train);
  mkdirSync(dirname(path), { recursive: true });
  const archive = pack();
  const written = pipeline(archive, createWriteStream(path));
  for (let i = 0; i < images; i++) {
    const bytes = photographs[i % photographs.length]!;
    await new Promise((done) => archive.entry({ name: `class/${i}.jpg` }, Buffer.from(bytes), done));
  }
  archive.finalize();
  await written;
}

/** Prints the peak in MiB. */
async function measure(command: readonly string[]): Promise<void> {
  await runQuietly(command);
  console.log(process.resourceUsage().maxRSS / 1024);
}
