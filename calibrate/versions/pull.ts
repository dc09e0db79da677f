import { loadManifest } from '../../shared/artifact/load-detector.ts';
import type { Manifest } from '../../shared/artifact/manifest.ts';
import { requireVacantFolder, writeArtifactFolder } from '../../shared/store/artifact-folder.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { openVersion, versionBody } from '../../shared/store/versions.ts';
import type { VersionReference } from './resolve-version.ts';

/**
 * Writes a version of a store into a new folder, checking every byte on the way. Throws `conflict` when something is
 * there, `not-found`, `bad-artifact`, and what the store throws; nothing stays behind then.
 */
export async function pullVersion(
  store: ObjectStore,
  detector: string,
  { version, manifestSha256 }: VersionReference,
  folder: string,
  options: CallOptions = {},
): Promise<Manifest> {
  await requireVacantFolder(folder);
  const expected = { version, ...(manifestSha256 === undefined ? {} : { manifestSha256 }) };
  const manifest = await loadManifest(openVersion(store, detector, version, options), expected);
  const files = manifest.files.map((entry) => ({
    name: entry.name,
    body: versionBody(store, detector, version, entry, options),
  }));
  return writeArtifactFolder(folder, files, options);
}
