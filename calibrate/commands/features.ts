import { rm } from 'node:fs/promises';
import { HimplosError } from '../../shared/errors.ts';
import { encodeNpyHeader } from '../../shared/formats/npy.ts';
import { encodeSafetensorsHeader } from '../../shared/formats/safetensors.ts';
import type { ObjectBody } from '../../shared/store/object-store.ts';
import { openClassifier } from '../features/classifier.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { gatherSet } from '../features/gather-set.ts';
import { openWorkspace } from '../features/workspace.ts';
import { choosePreprocessing } from '../images/choose-preprocessing.ts';
import type { Io } from '../io.ts';
import type { PreprocessOptions, RunOptions } from '../options.ts';
import { readClassesFile, resolveClasses } from '../sources/class-order.ts';
import type { ImageSource } from '../sources/contract.ts';
import { openSources } from '../sources/open-source.ts';
import { OverlapFinder } from '../sources/overlap.ts';
import { requireVacantFile, writeNewFile } from '../write-file.ts';

export interface FeaturesOptions extends RunOptions, PreprocessOptions {
  readonly model: string;
  readonly out: string;
  readonly headInput?: string;
  readonly classes?: string;
}

/** `himplos features`: the penultimate features of images, with labels where their classes are those of the logits. */
export async function features(
  addresses: readonly string[],
  options: FeaturesOptions,
  io: Io,
): Promise<number> {
  const { out } = options;
  const outputs = outputPaths(out);
  for (const path of outputs) await requireVacantFile(path);
  const source = await openSources(addresses, { signal: io.signal });
  if (source.kind === 'features') {
    throw new HimplosError('bad-usage', `${source.address}: expected images, these are features already`, {
      hint: 'himplos calibrate, evaluate and score take them as they are',
    });
  }
  const preprocessing = await choosePreprocessing(options);
  await using classifier = await openClassifier(options.model, options);
  const indexOf = await findLabels(source, classifier.head.classes, options.classes);
  using workspace = await openWorkspace(options.cache);
  const { threads, skipBad = false } = options;
  const { width, classes } = classifier.head;
  const set = await gatherSet(
    { name: 'features', source, indexOf },
    {
      images: { extractor: classifier, preprocessing, threads, skipBad },
      width,
      classes,
      folder: workspace.folder,
      overlap: new OverlapFinder(),
      io,
    },
  );
  const hasLabels = indexOf !== undefined;
  const [featuresPath, labelsPath] = outputs;
  if (labelsPath === undefined) await writeNewFile(out, safetensorsBody(set, hasLabels), io.signal);
  else {
    await writeNewFile(featuresPath, npyBody(set), io.signal);
    if (hasLabels) await writeLabels(labelsPath, set, featuresPath, io.signal);
  }
  const labels = hasLabels ? 'with labels' : 'without labels: the class folders are not those of the logits';
  io.stderr.write(`${out}: ${set.rows} × ${width} float32, ${labels}\n`);
  return 0;
}

/** The file itself, and that of the labels where the format needs one. */
function outputPaths(out: string): [string] | [string, string] {
  if (/\.safetensors$/i.test(out)) return [out];
  if (/\.npy$/i.test(out)) return [out, out.replace(/\.npy$/i, '.labels.npy')];
  throw new HimplosError('bad-usage', `--out ${out}: expected a name that ends in .safetensors or .npy`, {
    hint: 'for example --out features.safetensors',
  });
}

/** Which logit a label is; undefined where the folders are not the model's classes, as in OOD data. */
async function findLabels(
  source: ImageSource,
  logits: number,
  classesFile: string | undefined,
): Promise<((label: string) => number) | undefined> {
  const survey = await source.survey();
  const given = classesFile === undefined ? undefined : await readClassesFile(classesFile);
  const isCount = survey.classes.size + survey.emptyClasses.length === logits;
  if (survey.classes.size === 0 || (given === undefined && !isCount && !survey.labelsAreIndices))
    return undefined;
  return resolveClasses({ survey, classesFile: given, logits, allowMissing: true }).indexOf;
}

function safetensorsBody(set: FeatureSet, hasLabels: boolean): ObjectBody {
  const { header, names } = encodeSafetensorsHeader({
    features: { dtype: 'F32', shape: [set.rows, set.width] },
    ...(hasLabels && { labels: { dtype: 'I64', shape: [set.rows] } }),
  });
  return {
    bytes: header.length + 4 * set.rows * set.width + (hasLabels ? 8 * set.rows : 0),
    async *open() {
      yield header;
      for (const name of names) {
        if (name === 'labels') yield labelBytes(set);
        else yield* featureBytes(set);
      }
    },
  };
}

function npyBody(set: FeatureSet): ObjectBody {
  const header = encodeNpyHeader('F32', [set.rows, set.width]);
  return {
    bytes: header.length + 4 * set.rows * set.width,
    async *open() {
      yield header;
      yield* featureBytes(set);
    },
  };
}

function npyLabels(set: FeatureSet): Uint8Array {
  return Buffer.concat([encodeNpyHeader('I64', [set.rows]), labelBytes(set)]);
}

async function* featureBytes(set: FeatureSet): AsyncGenerator<Uint8Array> {
  for await (const { features: rows } of set.batches(4096)) {
    yield new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
  }
}

/** Both files or none: features whose labels could not be written go. */
async function writeLabels(
  path: string,
  set: FeatureSet,
  featuresPath: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await writeNewFile(path, npyLabels(set), signal);
  } catch (cause) {
    await rm(featuresPath, { force: true });
    throw cause;
  }
}

function labelBytes({ labels }: FeatureSet): Uint8Array {
  return new Uint8Array(BigInt64Array.from(labels, BigInt).buffer);
}
