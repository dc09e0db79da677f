/**
 * Is memory flat in the number of images? Peak resident memory of `himplos features` on some 1,000 and 5,000 drawings,
 * each run a process of its own. Exit status 1 when the medians differ by more than a tenth: that is a result and no
 * matter of how busy the machine is.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { classNames } from '../../demo/drawing/data-set.ts';
import { dataSetPaths, writeDataSet } from '../../demo/write-data-set.ts';
import { DEMO_MODEL, DEMO_PREPROCESSING, runQuietly } from '../calibrate/demo-detector.ts';

const SIZES = [1000, 5000] as const;
const ROUNDS = 5;
const TOLERANCE = 0.1;

const [task, ...argv] = process.argv.slice(2);
if (task === 'draw') await draw(argv[0]!, Number(argv[1]));
else if (task === 'measure') await measure(argv);
else compare();

function compare(): void {
  const folder = mkdtempSync(join(tmpdir(), 'himplos-bench-'));
  try {
    const peaks = new Map<number, number[]>(SIZES.map((size) => [size, []]));
    for (const size of SIZES) start('draw', join(folder, `${size}`), `${size}`);
    for (let round = 0; round < ROUNDS; round++) {
      for (const size of SIZES) {
        const out = join(folder, `${size}-${round}.npy`);
        const archive = join(folder, `${size}`, dataSetPaths.train);
        const command = ['features', archive, '--model', DEMO_MODEL, ...DEMO_PREPROCESSING, '--out', out];
        peaks.get(size)!.push(Number(start('measure', ...command, '--device', 'cpu', '--threads', '2')));
      }
    }
    report([...peaks].map(([size, values]) => ({ size, sorted: values.toSorted((a, b) => a - b) })));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function report(peaks: readonly { readonly size: number; readonly sorted: readonly number[] }[]): void {
  const medians = peaks.map(({ sorted }) => sorted[sorted.length >> 1]!);
  peaks.forEach(({ size, sorted }, i) => {
    console.log(
      `${size} images: peak ${medians[i]!.toFixed(0)} MiB (${sorted[0]!.toFixed(0)} … ${sorted.at(-1)!.toFixed(0)})`,
    );
  });
  const ratio = medians[1]! / medians[0]!;
  console.log(`ratio ${ratio.toFixed(3)}, expected ${1 - TOLERANCE} to ${1 + TOLERANCE}`);
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

/** Prints the peak in MiB. */
async function measure(command: readonly string[]): Promise<void> {
  await runQuietly(command);
  console.log(process.resourceUsage().maxRSS / 1024);
}
