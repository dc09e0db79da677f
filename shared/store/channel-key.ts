import { requireName } from './keys.ts';

/** Bound on a channel's document: some ten thousand changes. */
export const MAX_CHANNEL_BYTES = 4 * 1024 * 1024;

/** Key of a channel's document. Throws `bad-input` for names that cannot be ones. */
export function channelKey({
  detector,
  channel,
}: {
  readonly detector: string;
  readonly channel: string;
}): string {
  requireName('detector', detector);
  requireName('channel', channel);
  return `${detector}/channels/${channel}.json`;
}
