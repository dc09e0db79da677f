import { isSha256Hex } from '../artifact/digest.ts';
import type { ArtifactFile, MANIFEST_FILE } from '../artifact/manifest.ts';
import { HimplosError } from '../errors.ts';
import { requireName } from './keys.ts';

/** The files of a version, and what lists them. */
export type VersionFile = ArtifactFile | typeof MANIFEST_FILE;

/** Key of a file of a version. Throws `bad-input` for a name or version that cannot be one. */
export function versionKey(detector: string, version: string, file: VersionFile): string {
  return `${versionFolder(detector, version)}${file}`;
}

/** What the keys of all files of a version begin with. Throws as {@link versionKey}. */
export function versionFolder(detector: string, version: string): string {
  requireName('detector', detector);
  if (!isSha256Hex(version)) {
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
