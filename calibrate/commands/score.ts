import { type LoadedDetector, loadDetector } from '../../shared/artifact/load-detector.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import { type Answer, answerOf } from '../calibration/answer.ts';
import { openRowScorer } from '../calibration/row-scorer.ts';
import { featureBatches } from '../features/feature-batches.ts';
import { requireWidth } from '../features/gather-set.ts';
import { openStoredImages } from '../features/stored-images.ts';
import { type Io, writeText } from '../io.ts';
import type { RunOptions } from '../options.ts';
import { csvLine } from '../results/csv.ts';
import type { FeatureSource, ImageSource } from '../sources/contract.ts';
import { openSources } from '../sources/open-source.ts';

export interface ScoreOptions extends RunOptions {
  readonly detector: string;
  readonly format: 'jsonl' | 'csv';
}

/** `himplos score`: one line a sample, in the order of the sources. */
export async function score(addresses: readonly string[], options: ScoreOptions, io: Io): Promise<number> {
  const stored = await loadDetector(openArtifactFolder(options.detector));
  const source = await openSources(addresses, io);
  const format = options.format === 'csv' ? formatCsv : formatJson;
  let header = options.format === 'csv' ? csvLine(COLUMNS) : '';
  let skipped = 0;
  const onBad = (_: string, error: Error) => {
    skipped++;
    io.stderr.write(`skipped: ${error.message}\n`);
  };
  const samples =
    source.kind === 'images'
      ? imageFeatures(source, stored, options, io, onBad)
      : featureRows(source, stored);
  await using scorer = await openRowScorer(stored, options.threads);
  let accepted = 0;
  let total = 0;
  for await (const { features, rows, nameOf } of samples) {
    throwIfAborted(io.signal);
    const scores = await scorer.score(features, rows);
    const lines: string[] = [];
    for (let row = 0; row < rows; row++) {
      const answer = answerOf(stored, nameOf(row), scores, row);
      if (answer.decision === 'id') accepted++;
      lines.push(format(answer));
    }
    total += rows;
    await writeText(io.stdout, header + lines.join(''));
    header = ''; // not before there is something below it: a command that fails prints no results
  }
  const counts = `${accepted} in-distribution, ${total - accepted} out-of-distribution`;
  io.stderr.write(`${total} samples: ${counts}${skipped === 0 ? '' : `, ${skipped} skipped`}\n`);
  return 0;
}

/** Rows scored at a time from features. */
const ROWS = 256;

interface Rows {
  readonly features: Float32Array<ArrayBuffer>;
  readonly rows: number;
  readonly nameOf: (row: number) => string;
}

async function* imageFeatures(
  source: ImageSource,
  stored: LoadedDetector,
  options: ScoreOptions,
  io: Io,
  onBad: (name: string, error: Error) => void,
): AsyncGenerator<Rows> {
  const { extractor, ...images } = await openStoredImages(options.detector, stored, options, io);
  await using _extractor = extractor;
  for await (const batch of featureBatches(source, extractor, { ...images, onBad, signal: io.signal })) {
    const { features, rows, names } = batch;
    yield { features, rows, nameOf: (row) => names[row]! };
  }
}

async function* featureRows(source: FeatureSource, { head }: LoadedDetector): AsyncGenerator<Rows> {
  requireWidth(source, head.width);
  for await (const { features, rows, firstRow } of source.batches(ROWS)) {
    yield { features: features as Float32Array<ArrayBuffer>, rows, nameOf: (row) => `row ${firstRow + row}` };
  }
}

const COLUMNS: readonly (keyof Answer)[] = [
  'name',
  'decision',
  'score',
  'threshold',
  'class',
  'predicted',
  'p',
  'cosine',
  'warnings',
];

function formatJson(answer: Answer): string {
  return `${JSON.stringify(answer)}\n`;
}

function formatCsv(answer: Answer): string {
  return csvLine(
    COLUMNS.map((column) =>
      column === 'warnings' ? answer.warnings.join('; ') : String(answer[column] ?? ''),
    ),
  );
}
