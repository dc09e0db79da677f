import type { Io } from '../io.ts';
import { pruneVersions } from '../versions/prune.ts';
import { openNamedStore, requireDetectorName, type StoreOptions } from './store-options.ts';

export interface PruneCommandOptions extends StoreOptions {
  readonly keep: number;
  readonly graceHours: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `himplos prune`: removes old versions that were never promoted, and what interrupted publishes left. */
export async function prune(options: PruneCommandOptions, io: Io): Promise<number> {
  const store = await openNamedStore(options, io);
  const detector = requireDetectorName(options, io);
  const isDryRun = options.dryRun === true;
  const result = await pruneVersions(store, detector, {
    keep: options.keep,
    graceMs: options.graceHours * 3_600_000,
    nowMs: Date.now(),
    id: crypto.randomUUID(),
    isDryRun,
    signal: io.signal,
  });
  if (options.json) {
    io.stdout.write(`${JSON.stringify({ detector, isDryRun, ...result }, null, 2)}\n`);
    return 0;
  }
  for (const { version, why, bytes } of result.removed) {
    io.stdout.write(
      `${isDryRun ? 'would remove' : 'removed'} ${version.slice(0, 12)} (${why}, ${bytes} bytes)\n`,
    );
  }
  for (const version of result.spared)
    io.stdout.write(`kept ${version.slice(0, 12)} (promoted once, or being pruned)\n`);
  if (result.swept > 0) io.stdout.write(`removed ${result.swept} unfinished uploads\n`);
  io.stdout.write(`${result.removed.length} versions ${isDryRun ? 'would be removed' : 'removed'}\n`);
  return 0;
}
