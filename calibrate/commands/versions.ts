import type { Io } from '../io.ts';
import { drawTable } from '../results/draw-table.ts';
import { percent } from '../results/format-results.ts';
import { describeVersions, type VersionSummary } from '../versions/describe-versions.ts';
import { openNamedStore, requireDetectorName, type StoreOptions } from './store-options.ts';

export interface VersionsOptions extends StoreOptions {
  readonly json?: boolean;
}

/** `himplos versions`: what a store holds of a detector, newest first. */
export async function versions(options: VersionsOptions, io: Io): Promise<number> {
  const store = await openNamedStore(options, io);
  const detector = requireDetectorName(options, io);
  const summaries = await describeVersions(store, detector, { signal: io.signal });
  if (options.json) io.stdout.write(`${JSON.stringify(summaries.map(toJson), null, 2)}\n`);
  else if (summaries.length === 0) io.stdout.write(`${store.address} has no version of ${detector}\n`);
  else io.stdout.write(drawTable(HEADER, summaries.map(toCells)));
  return 0;
}

const HEADER = ['version', 'published', 'method', 'AUROC', 'γ', 'channels'];

function toCells({ version, publishedMs, method, auroc, gamma, state, channels }: VersionSummary): string[] {
  return [
    version.slice(0, 12),
    new Date(publishedMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    method ?? `(${state})`,
    auroc === null ? '' : percent(auroc),
    gamma === null ? '' : gamma.toPrecision(6),
    channels.join(', '),
  ];
}

function toJson({ publishedMs, ...summary }: VersionSummary) {
  return { ...summary, published: new Date(publishedMs).toISOString() };
}
