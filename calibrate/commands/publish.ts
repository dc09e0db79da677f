import { loadDetector } from '../../shared/artifact/load-detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import type { Io } from '../io.ts';
import { publishFolder } from '../versions/publish.ts';
import { openNamedStore, type StoreOptions } from './store-options.ts';

export interface PublishOptions extends StoreOptions {
  readonly withBank?: boolean;
  readonly json?: boolean;
}

/** `himplos publish`: a detector's folder becomes a version in a store. */
export async function publish(folder: string, options: PublishOptions, io: Io): Promise<number> {
  const store = await openNamedStore(options, io);
  const detector = options.name ?? io.env.HIMPLOS_DETECTOR ?? (await ownName(folder));
  const { signal } = io;
  const { version, isNew } = await publishFolder(folder, store, detector, {
    signal,
    withBank: options.withBank === true,
  });
  if (options.json)
    io.stdout.write(`${JSON.stringify({ store: store.address, detector, version, isNew })}\n`);
  else
    io.stdout.write(
      `${isNew ? 'published' : 'already published'} ${version} as ${detector} in ${store.address}\n`,
    );
  return 0;
}

/** What `calibrate --name` called it. */
async function ownName(folder: string): Promise<string> {
  const { document } = await loadDetector(openArtifactFolder(folder));
  if (document.name !== null) return document.name;
  throw new HimplosError('bad-usage', 'no detector was named', {
    hint: 'give --name DETECTOR; himplos calibrate --name would have kept one',
  });
}
