import { createHash } from 'node:crypto';
import { HimplosError } from '../../shared/errors.ts';
import { canonicalJson, type Json } from '../../shared/formats/canonical-json.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { blockRows } from '../../shared/statistics/contract.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import type { Io } from '../io.ts';
import { startTask } from '../progress.ts';
import type { FeatureRows, FeatureSource, ImageSource, SampleRange, Source } from '../sources/contract.ts';
import { openFeatureFile } from '../sources/feature-file.ts';
import type { OverlapFinder } from '../sources/overlap.ts';
import { rowDigest, SourceDigest } from '../sources/source-digest.ts';
import { extractFeatures } from './extract-features.ts';
import type { FeatureExtractor } from './feature-extractor.ts';
import type { FeatureSet } from './feature-set.ts';
import { Spool } from './spool.ts';

/** What all roles of one run share. */
export interface GatherContext {
  /** Absent where only features can be used. */
  readonly images:
    | {
        readonly extractor: FeatureExtractor;
        readonly preprocessing: Preprocessing;
        readonly threads: number;
        readonly skipBad: boolean;
      }
    | undefined;
  /** L and C of the head. */
  readonly width: number;
  readonly classes: number;
  /** Where features of images are kept. */
  readonly folder: string;
  readonly overlap: Pick<OverlapFinder, 'add'>;
  readonly io: Io;
}

export interface Role {
  /** What messages call it: `--train`, `--ood textures`. */
  readonly name: string;
  readonly source: Source;
  /** Logit of a label of an image source; undefined where labels do not matter. */
  readonly indexOf: ((label: string) => number) | undefined;
  /** Which of the source's samples; all without it. */
  readonly range?: SampleRange;
}

/** Bytes of features looked at together. */
const PASS_BYTES = 2 ** 22;

/**
 * Everything in one role as rows of features on disk: features of images are computed, those of feature sources stay
 * where they are. Goes through the source once.
 * Throws `bad-usage` for images without a model, `bad-input` for another width or a label beyond the logits, and what
 * the source throws.
 */
export function gatherSet(role: Role, context: GatherContext): Promise<FeatureSet> {
  const { source } = role;
  return source.kind === 'images'
    ? gatherImages(role, source, context)
    : gatherFeatures(role, source, context);
}

async function gatherImages(role: Role, source: ImageSource, context: GatherContext): Promise<FeatureSet> {
  const { images, io, overlap } = context;
  if (images === undefined) throw needsModel(source);
  const { extractor } = images;
  const { samples } = await source.survey();
  const { range = { first: 0, end: samples } } = role;
  const isPart = range.first > 0 || range.end < samples;
  const { batch } = extractor;
  // Shards begin where a block does, and larger blocks begin where these do.
  const rowsPerBlock = blockRows(samples, 0);
  const key = spoolKey(source, images, isPart ? range : undefined);
  const spool = await Spool.open(context.folder, key, context.width);
  using task = startTask(io.stderr, role.name, range.end - range.first, 'images');
  const digest = new SourceDigest();
  const labels: number[] = [];
  const names: string[] = [];
  const positions: number[] = [];
  let skipped = 0;
  try {
    await extractFeatures(source, spool, {
      ...images,
      range,
      isCut: (position) => (position % rowsPerBlock) % batch === 0,
      signal: io.signal,
      onBad: (_, error) => {
        skipped++;
        task.advance(1);
        task.say(`skipped: ${error.message}`);
      },
      onRow: (name, label, contentDigest, position) => {
        const index = label === undefined || role.indexOf === undefined ? -1 : role.indexOf(label);
        labels.push(index);
        names.push(name);
        positions.push(position);
        digest.add(contentDigest, index);
        overlap.add(role.name, contentDigest, name);
        task.advance(1);
      },
    });
  } finally {
    await spool.close();
  }
  task.finish(skipped === 0 ? '' : `${skipped} skipped`);
  if (labels.length === 0 && !isPart) {
    throw new HimplosError('bad-input', `${role.name} ${source.address}: none of its images can be decoded`, {
      hint: 'the lines above say why; give images that other programs open',
    });
  }
  const array = {
    path: spool.path,
    name: spool.path,
    dtype: 'F32',
    shape: [labels.length, context.width],
    begin: 0,
  } as const;
  const stored = labels.length === 0 ? undefined : await openFeatureFile(spool.path, array, undefined);
  return {
    role: role.name,
    kind: 'images',
    rows: labels.length,
    samples,
    width: context.width,
    labels: Int32Array.from(labels),
    digest: digest.hex(),
    skipped,
    positionOf: (row) => positions[row]!,
    nameOf: (row) => names[row]!,
    batches: (limit, own) => stored?.batches(limit, own) ?? nothing(),
  };
}

async function gatherFeatures(
  role: Role,
  source: FeatureSource,
  context: GatherContext,
): Promise<FeatureSet> {
  const { width } = source;
  const { range = { first: 0, end: source.rows } } = role;
  const { first } = range;
  const rows = range.end - first;
  requireWidth(source, context.width);
  const hasLabels = role.indexOf !== undefined && source.labels !== undefined;
  const labels = hasLabels ? source.labels.subarray(first, range.end) : new Int32Array(rows).fill(-1);
  requireLabels(role, source.address, labels, first, context.classes);
  const digest = new SourceDigest();
  for await (const batch of source.batches(Math.max(1, Math.floor(PASS_BYTES / (4 * width))), range)) {
    throwIfAborted(context.io.signal);
    for (let row = 0; row < batch.rows; row++) {
      const content = rowDigest(batch.features, width, row);
      digest.add(content, labels[batch.firstRow - first + row]!);
      context.overlap.add(role.name, content, `row ${batch.firstRow + row}`);
    }
  }
  return {
    role: role.name,
    kind: 'features',
    rows,
    samples: source.rows,
    width,
    labels,
    digest: digest.hex(),
    skipped: 0,
    positionOf: (row) => first + row,
    nameOf: (row) => `row ${first + row}`,
    batches: (limit, own = { first: 0, end: rows }) =>
      localRows(source.batches(limit, { first: first + own.first, end: first + own.end }), first),
  };
}

/** Throws `bad-input` for features that are not as wide as the head. */
export function requireWidth({ address, width }: FeatureSource, expected: number): void {
  if (width === expected) return;
  throw new HimplosError(
    'bad-input',
    `${address}: expected rows of ${expected} features, as wide as the head, got ${width}`,
    { hint: 'take the features at the input of this classifier’s last linear layer (himplos features)' },
  );
}

function requireLabels(
  role: Role,
  address: string,
  labels: Int32Array,
  first: number,
  classes: number,
): void {
  const row = labels.findIndex((label) => label >= classes);
  if (row < 0) return;
  throw new HimplosError(
    'bad-input',
    `${role.name} ${address}: row ${first + row} has label ${labels[row]}, expected 0 to ${classes - 1}, as the head has ${classes} classes`,
    { hint: 'labels are positions among the logits' },
  );
}

async function* nothing(): AsyncGenerator<never> {}

async function* localRows(batches: AsyncIterable<FeatureRows>, first: number): AsyncGenerator<FeatureRows> {
  for await (const batch of batches) yield { ...batch, firstRow: batch.firstRow - first };
}

/** Two runs share features only where model, device, preprocessing, batch size, source and range are the same. */
function spoolKey(
  source: ImageSource,
  images: Pick<NonNullable<GatherContext['images']>, 'extractor' | 'preprocessing'>,
  range: SampleRange | undefined,
): string {
  const { extractor, preprocessing } = images;
  const settings = canonicalJson({
    preprocessing,
    batch: extractor.batch,
    range: range ?? null,
  } as unknown as Json);
  const parts = [extractor.identity, settings, source.address];
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32);
}

/** What to say about images when there is no model for them. */
export function needsModel({ address }: ImageSource): HimplosError {
  return new HimplosError('bad-usage', `${address}: images need a classifier, only a head was given`, {
    hint: 'give --model FILE.onnx, or features (.npy, .safetensors) instead of images',
  });
}
