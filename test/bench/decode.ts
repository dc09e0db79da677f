// How fast images become inputs. `node test/bench/decode.ts [photos] [batches]`
//
// photos:  decoding and resizing each photograph of the benchmark data, against Pillow in the same minute: both take
//          turns, image by image, so that a busy machine slows both. Needs a Python with Pillow: python3, or
//          $HIMPLOS_PYTHON.
// batches: images a second, and processor time an image, of imageBatches alone on the benchmark's archives.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { decodeImage } from '../../calibrate/images/decode.ts';
import { imageBatches } from '../../calibrate/images/image-batches.ts';
import { openSource } from '../../calibrate/sources/open-source.ts';
import { planGeometry } from '../../shared/images/geometry.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { findPreset } from '../../shared/images/preprocessing-document.ts';
import { Resizer } from '../../shared/images/resize.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';

const WARM_UP = 5;
const ROUNDS = 25;

if (!hasRealData) throw new Error(needsData);
const wanted = process.argv.slice(2);
if (wanted.length === 0 || wanted.includes('photos')) await benchPhotos();
if (wanted.length === 0 || wanted.includes('batches')) await benchBatches();

/** [decode, resize] in milliseconds. */
type Times = readonly [number, number];

async function benchPhotos(): Promise<void> {
  const names = readdirSync(realData('preprocess')).filter((name) => /^photo\d\.jpg$/.test(name));
  const paths = names.map((name) => realData('preprocess', name));
  const images = paths.map((path) => readFileSync(path));
  const pillow = await startPillow(paths);
  const ours: Times[][] = names.map(() => []);
  const theirs: Times[][] = names.map(() => []);
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const peer = await pillow.pass();
    for (const [i, image] of images.entries()) {
      const own = await measurePhoto(image);
      if (round < 0) continue;
      ours[i]!.push(own);
      if (peer !== undefined) theirs[i]!.push(peer[i]!);
    }
  }
  pillow.stop();
  console.log(
    `\nphotographs, resize 256, median of ${ROUNDS} ± half the middle 50 %, ms; peer: ${pillow.name}`,
  );
  console.log('image        decode        resize        peer decode   peer resize   resize ×  both ×');
  const rows = names.map((name, i) => photoRow(name, ours[i]!, theirs[i]!));
  for (const { text } of rows) console.log(text);
  const overall = (pick: (row: (typeof rows)[number]) => number) => quantile(rows.map(pick), 0.5).toFixed(2);
  console.log(
    `median ratios: resize ${overall((row) => row.resizeRatio)}, decode and resize ${overall((row) => row.bothRatio)}`,
  );
}

const resizer = new Resizer();

async function measurePhoto(image: Uint8Array): Promise<Times> {
  const start = performance.now();
  const { pixels, width, height } = await decodeImage(image);
  const decoded = performance.now();
  const { resized } = planGeometry({ ...findPreset('imagenet')!, crop: null }, width, height);
  resizer.resize(pixels, { width, height }, resized, { left: 0, top: 0, ...resized });
  return [decoded - start, performance.now() - decoded];
}

function photoRow(name: string, ours: readonly Times[], theirs: readonly Times[]) {
  const cells = [ours.map(([decode]) => decode), ours.map(([, resize]) => resize)];
  cells.push(
    theirs.map(([decode]) => decode),
    theirs.map(([, resize]) => resize),
  );
  const [decode, resize, peerDecode, peerResize] = cells.map((times) => quantile(times, 0.5)) as [
    number,
    number,
    number,
    number,
  ];
  const resizeRatio = resize / peerResize;
  const bothRatio = (decode + resize) / (peerDecode + peerResize);
  const ratios = [resizeRatio, bothRatio].map((ratio) => ratio.toFixed(2).padStart(8));
  return {
    text: `${name.padEnd(11)} ${cells.map(withSpread).join(' ')}${ratios.join('')}`,
    resizeRatio,
    bothRatio,
  };
}

interface Pillow {
  readonly name: string;
  /** One pass over all images; undefined where there is no Pillow. */
  readonly pass: () => Promise<readonly Times[] | undefined>;
  readonly stop: () => void;
}

async function startPillow(paths: readonly string[]): Promise<Pillow> {
  const script = new URL('./decode_with_pillow.py', import.meta.url).pathname;
  const child = spawn(process.env.HIMPLOS_PYTHON ?? 'python3', [script, ...paths], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.on('error', () => {}); // no such program: its output ends without a line
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const version = await lines.next();
  if (version.done) return { name: 'no Pillow found', pass: async () => undefined, stop: () => {} };
  return {
    name: `Pillow ${JSON.parse(version.value)}`,
    pass: async () => {
      child.stdin.write('\n');
      return JSON.parse((await lines.next()).value);
    },
    stop: () => child.stdin.end(),
  };
}

async function benchBatches(): Promise<void> {
  const asStored: Preprocessing = { resize: null, crop: null, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
  console.log('\nimageBatches alone, batches of 64: the better of 3 runs, threads started anew in each');
  for (const archive of ['cifar10/train.tar.gz', 'imagenet/sample.tar.gz']) {
    for (const threads of [1, 2]) {
      const runs: { rate: number; cpuMs: number; images: number }[] = [];
      for (let run = 0; run < 3; run++) runs.push(await measureBatches(archive, asStored, threads));
      const best = runs.reduce((a, b) => (b.rate > a.rate ? b : a));
      console.log(
        `${archive.padEnd(24)} ${threads} thread(s) ${best.rate.toFixed(0).padStart(6)} images/s ${best.cpuMs.toFixed(2)} ms of processor time each (${best.images} images)`,
      );
    }
  }
}

async function measureBatches(archive: string, preprocessing: Preprocessing, threads: number) {
  const source = await openSource(realData(archive));
  if (source.kind !== 'images') throw new Error(`${archive} holds no images`);
  const cpu = process.cpuUsage();
  const start = performance.now();
  let images = 0;
  for await (const { rows } of imageBatches(source, { preprocessing, batch: 64, threads })) images += rows;
  const { user, system } = process.cpuUsage(cpu);
  const ms = performance.now() - start;
  return { rate: (images / ms) * 1000, cpuMs: (user + system) / 1000 / images, images };
}

function withSpread(times: readonly number[]): string {
  if (times.length === 0) return '-'.padEnd(13);
  const spread = (quantile(times, 0.75) - quantile(times, 0.25)) / 2;
  return `${quantile(times, 0.5).toFixed(2)} ± ${spread.toFixed(2)}`.padEnd(13);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
}
