import type { Io } from '../io.ts';
import { pullVersion } from '../versions/pull.ts';
import { resolveVersion } from '../versions/resolve-version.ts';
import { openNamedStore, requireDetectorName, type StoreOptions } from './store-options.ts';

export interface PullOptions extends StoreOptions {
  readonly out: string;
  readonly json?: boolean;
}

/** `himplos pull`: writes a version of a store, or what a channel points to, into a new folder. */
export async function pull(reference: string, options: PullOptions, io: Io): Promise<number> {
  const store = await openNamedStore(options, io);
  const detector = requireDetectorName(options, io);
  const { signal } = io;
  const found = await resolveVersion(store, detector, reference, { signal });
  const { version } = await pullVersion(store, detector, found, options.out, { signal });
  if (options.json) io.stdout.write(`${JSON.stringify({ detector, version, out: options.out })}\n`);
  else io.stdout.write(`pulled ${version} to ${options.out}\n`);
  return 0;
}
