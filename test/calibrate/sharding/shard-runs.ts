import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeNpy } from '../../../shared/formats/npy.ts';
import { encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { f32 } from '../../../shared/tensor.ts';
import { randomNormals } from '../../shared/random.ts';
import { writeBelow } from '../commands/small-problem.ts';
import { type CommandOptions, newFolder, runWell } from '../run-command.ts';

/** A calibration as options, without where its results go. */
export interface ShardedProblem {
  /** What `calibrate` takes. */
  readonly options: readonly string[];
  /** What `merge` takes: the model or the head. */
  readonly head: readonly string[];
}

/** Bytes of every file of the detector that one process makes. */
export async function calibrateAtOnce({ options }: ShardedProblem): Promise<DetectorFiles> {
  const out = join(newFolder(), 'detector');
  await runWell(['calibrate', ...options, '--out', out]);
  return readDetector(out);
}

/** Runs one shard. */
export async function runShard(
  { options }: ShardedProblem,
  partials: string,
  shard: string,
  commandOptions: CommandOptions = {},
): Promise<string> {
  const { stdout } = await runWell(
    ['calibrate', ...options, '--shard', shard, '--partials', partials],
    commandOptions,
  );
  return stdout;
}

/** Bytes of every file of the detector that `count` shards and merges make, pass by pass. */
export async function calibrateInShards(
  problem: ShardedProblem,
  count: number,
  partials = join(newFolder(), 'partials'),
): Promise<DetectorFiles> {
  for (let pass = 1; pass < 10; pass++) {
    for (let index = 0; index < count; index++) await runShard(problem, partials, `${index}/${count}`);
    const { stdout } = await runWell(['merge', partials, ...problem.head]);
    if (stdout.startsWith('every pass is merged')) return mergeShards(problem, partials);
  }
  throw new Error('no method has so many passes');
}

export async function mergeShards(problem: ShardedProblem, partials: string): Promise<DetectorFiles> {
  const out = join(newFolder(), 'detector');
  await runWell(['merge', partials, ...problem.head, '--out', out]);
  return readDetector(out);
}

export type DetectorFiles = Readonly<Record<string, string>> & { readonly version: string };

/** A detector's files, in a form that a failed comparison shows shortly. */
export function readDetector(folder: string): DetectorFiles {
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    version: string;
    files: { name: string; sha256: string }[];
  };
  const files = manifest.files.map(({ name, sha256 }) => [name, sha256] as const);
  return { version: manifest.version, ...Object.fromEntries(files) };
}

const WIDTH = 12;

/** Features of four classes in files: enough training rows for 20 blocks, held-out sets that overlap it a little. */
export function featureProblem(rows = 2500, classes = 4): ShardedProblem {
  const folder = newFolder();
  const normal = randomNormals(3);
  const centres = Float32Array.from({ length: classes * WIDTH }, () => 2 * normal());
  const sample = (name: string, count: number, spread: number, first?: Float32Array) => {
    const features = Float32Array.from({ length: count * WIDTH }, (_, i) => {
      const centre = centres[(Math.floor(i / WIDTH) % classes) * WIDTH + (i % WIDTH)]!;
      return Math.max(0, Math.fround(spread * centre + normal()));
    });
    if (first !== undefined) features.set(first);
    writeBelow(folder, `${name}.npy`, encodeNpy(f32(features, count, WIDTH)));
    const labels = BigInt64Array.from({ length: count }, (_, i) => BigInt(i % classes));
    writeBelow(folder, `${name}.labels.npy`, encodeNpy({ dtype: 'I64', data: labels, shape: [count] }));
    return features;
  };
  const at = (name: string) => join(folder, name);
  const labelled = (name: string) => `${at(`${name}.npy`)}:${at(`${name}.labels.npy`)}`;
  const train = sample('train', rows, 1);
  sample('calibration', 700, 1, train.slice(0, 2 * WIDTH));
  sample('evaluation', 300, 1);
  sample('far', 200, 0);
  const head = writeBelow(
    folder,
    'head.safetensors',
    encodeSafetensors({
      weight: f32(centres, classes, WIDTH),
      bias: f32(new Float32Array(classes), classes),
    }),
  );
  return {
    head: ['--head', head],
    options: [
      ...['--head', head, '--train', labelled('train'), '--calibration', labelled('calibration')],
      ...['--evaluation', labelled('evaluation'), '--ood', `far=${at('far.npy')}`],
    ],
  };
}

/** The same with another option. */
export function withOptions(problem: ShardedProblem, ...options: readonly string[]): ShardedProblem {
  return { ...problem, options: [...problem.options, ...options] };
}
