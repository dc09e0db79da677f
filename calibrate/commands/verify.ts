import { HimplosError } from '../../shared/errors.ts';
import type { Io } from '../io.ts';
import { resolveVersion } from '../versions/resolve-version.ts';
import { verifyDetector } from '../versions/verify.ts';
import { openNamedStore, requireDetectorName, type StoreOptions } from './store-options.ts';

export interface VerifyOptions extends StoreOptions {
  readonly json?: boolean;
}

/** `himplos verify`: reads every byte of a detector's versions, or of one, and says what is damaged. */
export async function verify(reference: string | undefined, options: VerifyOptions, io: Io): Promise<number> {
  const store = await openNamedStore(options, io);
  const detector = requireDetectorName(options, io);
  const { signal } = io;
  const only = reference === undefined ? {} : await resolveVersion(store, detector, reference, { signal });
  const { checked, problems, unfinished } = await verifyDetector(store, detector, { ...only, signal });
  if (options.json)
    io.stdout.write(`${JSON.stringify({ detector, checked, problems, unfinished }, null, 2)}\n`);
  else {
    for (const { where, problem } of problems) io.stdout.write(`DAMAGED  ${where}: ${problem}\n`);
    for (const version of unfinished) io.stdout.write(`unfinished  version ${version.slice(0, 12)}\n`);
  }
  if (problems.length > 0) {
    throw new HimplosError(
      'bad-artifact',
      `${problems.length} problems in ${checked} versions and channels`,
      {
        hint: 'publish the detector’s folder again where files are missing; otherwise promote another version and prune',
      },
    );
  }
  if (!options.json) io.stdout.write(`${checked} versions and channels are whole\n`);
  return 0;
}
