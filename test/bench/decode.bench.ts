/**
 * How fast images become inputs: photographs against Pillow, taking turns (it needs a Python that has Pillow: Debian's
 * with python3-pil, or $HIMPLOS_PYTHON), then batches of whole archives, without a model.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { decodeImage } from '../../calibrate/images/decode.ts';
import { imageBatches } from '../../calibrate/images/image-batches.ts';
import { openSource } from '../../calibrate/sources/open-source.ts';
import { planGeometry } from '../../shared/images/geometry.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { Resizer } from '../../shared/images/resize.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';
import { report, timeInTurn } from './measure.ts';

const ROUNDS = 25;
const resizer = new Resizer();
const asStored: Preprocessing = { resize: null, crop: null, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

if (hasRealData) {
  await comparePhotos();
  for (const archive of ['cifar10/train.tar.gz', 'imagenet/sample.tar.gz']) await timeBatches(archive);
} else {
  console.log(needsData);
}

async function comparePhotos(): Promise<void> {
  const photos = readdirSync(realData('preprocess')).filter((name) => /^photo\d\.jpg$/.test(name));
  const paths = photos.map((name) => realData('preprocess', name));
  const images = paths.map((path) => readFileSync(path));
  const peer = await startPeer(paths);
  if (peer === undefined) {
    console.log('no Python with Pillow: set HIMPLOS_PYTHON');
    return;
  }
  const decoded = await Promise.all(images.map((image) => decodeImage(image)));
  const decodeAll = async () => {
    for (const image of images) await decodeImage(image);
  };
  const resizeAll = () => {
    for (const image of decoded) resize(image);
  };
  const units = { count: images.length, unit: 'photos' };
  const resizing = {
    'resize to 256': resizeAll,
    [`${peer.name}, resize`]: async () => (await peer.pass())[1],
  };
  report(`${images.length} photographs, resize`, await timeInTurn(resizing, ROUNDS), units);
  const both = {
    'decode and resize to 256': async () => {
      await decodeAll();
      resizeAll();
    },
    [`${peer.name}, decode and resize`]: async () => {
      const [decode, resized] = await peer.pass();
      return decode + resized;
    },
  };
  report(`${images.length} photographs, decode and resize`, await timeInTurn(both, ROUNDS), units);
  peer.stop();
}

function resize({ pixels, width, height }: Awaited<ReturnType<typeof decodeImage>>): void {
  const { resized } = planGeometry({ ...asStored, resize: { shorter: 256 } }, width, height);
  resizer.resize(pixels, { width, height }, resized, { left: 0, top: 0, ...resized });
}

interface Peer {
  readonly name: string;
  /** Milliseconds of one pass over all images: decode, resize. */
  readonly pass: () => Promise<readonly [number, number]>;
  readonly stop: () => void;
}

async function startPeer(paths: readonly string[]): Promise<Peer | undefined> {
  const script = fileURLToPath(new URL('./decode-peer.py', import.meta.url));
  const child = spawn(process.env.HIMPLOS_PYTHON ?? '/usr/bin/python3', [script, ...paths], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.on('error', () => {}); // no such program: its output ends without a line
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const readJson = async () => {
    const line = await lines.next();
    return line.done ? undefined : JSON.parse(line.value);
  };
  const version: unknown = await readJson();
  if (version === undefined) return undefined;
  return {
    name: `Pillow ${version}`,
    pass: () => {
      child.stdin.write('\n');
      return readJson();
    },
    stop: () => child.stdin.end(),
  };
}

async function timeBatches(archive: string): Promise<void> {
  const source = await openSource(realData(archive));
  if (source.kind !== 'images') throw new Error(`${archive} holds no images`);
  const { samples } = await source.survey();
  const run = (threads: number) => async () => {
    for await (const _ of imageBatches(source, { preprocessing: asStored, batch: 64, threads }));
  };
  const timings = await timeInTurn({ '2 threads': run(2), '1 thread': run(1) }, 5);
  report(`${archive}, batches of 64`, timings, { count: samples, unit: 'images' });
}
