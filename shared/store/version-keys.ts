import type { ArtifactFile, MANIFEST_FILE } from '../artifact/manifest.ts';
import { HimplosError } from '../errors.ts';
import { requireName } from './keys.ts';

/** Key of a file of a version. Throws `bad-input` for a name or version that cannot be one. */
export function versionKey(
  detector: string,
  version: string,
  file: ArtifactFile | typeof MANIFEST_FILE,
): string {
  return `${versionFolder(detector, version)}${file}`;
}

/** What the keys of all files of a version begin with. Throws as {@link versionKey}. */
export function versionFolder(detector: string, version: string): string {
  requireName('detector', detector);
  if (!/^[0-9a-f]{64}$/.test(version)) {
    throw new HimplosError(
      'bad-input',
      `version ${JSON.stringify(version.slice(0, 80))}: expected 64 hexadecimal digits`,
      {
        hint: 'himplos versions lists them',
      },
    );
  }
  return `${detector}/versions/${version}/`;
}

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
