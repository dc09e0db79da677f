import { HimplosError } from '../../shared/errors.ts';
import { rollback as moveBack, readChannel } from '../../shared/store/channels.ts';
import type { Io } from '../io.ts';
import {
  changeNote,
  type NoteOptions,
  openNamedStore,
  requireDetectorName,
  type StoreOptions,
} from './store-options.ts';

export interface RollbackOptions extends StoreOptions, NoteOptions {
  readonly channel: string;
  readonly json?: boolean;
}

/** `himplos rollback`: points a channel back to the version it had before its last promotion. */
export async function rollback(options: RollbackOptions, io: Io): Promise<number> {
  const store = await openNamedStore(options, io);
  const detector = requireDetectorName(options, io);
  const { channel } = options;
  const { signal } = io;
  const from = await readChannel(store, { detector, channel }, { signal });
  if (from === undefined) {
    throw new HimplosError('not-found', `${store.address}: ${detector} has no channel ${channel}`, {
      hint: 'himplos versions lists channels',
    });
  }
  const note = { ...changeNote(options), isForced: false };
  const { document } = await moveBack(store, { detector, channel }, { from, note }, { signal });
  const [before, version] = [from.document.version, document.version];
  if (options.json) {
    const { generation } = document;
    io.stdout.write(`${JSON.stringify({ detector, channel, version, before, generation })}\n`);
  } else {
    io.stdout.write(
      `rolled back ${channel}: ${before.slice(0, 12)} → ${version.slice(0, 12)}, generation ${document.generation}\n`,
    );
  }
  return 0;
}
