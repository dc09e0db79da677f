import { createHash } from 'node:crypto';
import { isSha256Hex } from '../artifact/digest.ts';
import { type ArtifactReader, loadManifest } from '../artifact/load-detector.ts';
import {
  ARTIFACT_FILES,
  type ArtifactFile,
  encodeManifest,
  MANIFEST_FILE,
  type Manifest,
  type ManifestEntry,
} from '../artifact/manifest.ts';
import { HimplosError } from '../errors.ts';
import { requireName } from './keys.ts';
import type {
  CallOptions,
  ListedObject,
  ObjectBody,
  ObjectReader,
  ObjectStore,
  StreamBody,
} from './object-store.ts';
import { requireUnclaimed } from './pins.ts';
import { verifiedBody } from './verified-body.ts';
import { versionFolder, versionKey } from './version-keys.ts';

/** What a store holds of one version. */
export interface ListedVersion {
  readonly version: string;
  /** Whether its manifest is there; without it, it is what a publish left that crashed or is still under way. */
  readonly isComplete: boolean;
  readonly bytes: number;
  /** When its last file was written: milliseconds since 1970, by the storage's clock. */
  readonly modifiedMs: number;
  readonly files: readonly ListedObject[];
}

/**
 * Writes a version: its files, then its manifest, each only if it is not there yet. What is there with the same content
 * is taken as it is, so a publish that was interrupted can be run again; so can one of a version that has lost a file.
 * Every body is checked against the manifest on the way. Resolves to whether the version is new. Throws `conflict` when
 * a file is there with other content or the version is being pruned, `bad-artifact` when a body is not what the manifest
 * says, and what the store throws.
 */
export async function writeVersion(
  store: ObjectStore,
  detector: string,
  manifest: Manifest,
  bodyOf: (file: ArtifactFile) => ObjectBody,
  options: CallOptions = {},
): Promise<{ readonly isNew: boolean }> {
  const { version } = manifest;
  const manifestBytes = encodeManifest(manifest);
  await requireUnclaimed(store, detector, version, options);
  const existing = await store.head(versionKey(detector, version, MANIFEST_FILE), options);
  // Below a manifest a file's presence is enough: it was checked when it was written, and verify reads all of it.
  const absent =
    existing === undefined ? manifest.files : await findAbsent(store, detector, manifest, options);
  for (const entry of absent) {
    const key = versionKey(detector, version, entry.name);
    await putOnce(store, key, verifiedBody(entry, bodyOf(entry.name)), entry.sha256, options);
  }
  const manifestKey = versionKey(detector, version, MANIFEST_FILE);
  const isNew = await putOnce(store, manifestKey, manifestBytes, sha256Of(manifestBytes), options);
  // A prune that began, or came and went, meanwhile may have removed a file that was found in place.
  await requireUnclaimed(store, detector, version, options);
  if ((await findAbsent(store, detector, manifest, options)).length > 0) {
    throw new HimplosError('conflict', `version ${version.slice(0, 12)} was pruned while it was published`, {
      hint: 'publish it again',
    });
  }
  return { isNew };
}

/** Reads the files of a version; see `loadDetector`. Throws `bad-input` for a name or version that cannot be one. */
export function openVersion(
  store: ObjectReader,
  detector: string,
  version: string,
  options: CallOptions = {},
): ArtifactReader {
  const folder = versionFolder(detector, version);
  return {
    address: `${store.address}/${folder.slice(0, -1)}`,
    read: async (file, maxBytes) => (await store.get(`${folder}${file}`, { ...options, maxBytes })).body,
  };
}

/** One file of a version as a stream that fails unless it is what the manifest says. */
export function versionBody(
  store: ObjectStore,
  detector: string,
  version: string,
  entry: ManifestEntry,
  options: CallOptions = {},
): StreamBody {
  const key = versionKey(detector, version, entry.name);
  async function* open(): AsyncGenerator<Uint8Array> {
    yield* (await store.open(key, options)).chunks;
  }
  return verifiedBody(entry, { bytes: entry.bytes, open });
}

/** The versions of a detector, whole or not, in the order of their names. */
export async function listVersions(
  store: ObjectStore,
  detector: string,
  options: CallOptions = {},
): Promise<readonly ListedVersion[]> {
  requireName('detector', detector);
  const prefix = `${detector}/versions/`;
  const byVersion = new Map<string, ListedObject[]>();
  for await (const object of store.list(prefix, options)) {
    const version = object.key.slice(prefix.length).split('/', 1)[0]!;
    if (!isSha256Hex(version)) continue;
    const files = byVersion.get(version) ?? [];
    files.push(object);
    byVersion.set(version, files);
  }
  return Array.from(byVersion, ([version, files]) => ({
    version,
    isComplete: files.some(({ key }) => key === `${prefix}${version}/${MANIFEST_FILE}`),
    bytes: files.reduce((total, { bytes }) => total + bytes, 0),
    modifiedMs: Math.max(...files.map(({ modifiedMs }) => modifiedMs)),
    files,
  }));
}

/**
 * Reads every byte of a version and says what is wrong with it, one sentence each; nothing when all is well. Throws
 * `not-found` where there is no such version, and what the store throws.
 */
export async function verifyVersion(
  store: ObjectStore,
  detector: string,
  version: string,
  options: CallOptions = {},
): Promise<readonly string[]> {
  const problems: string[] = [];
  let manifest: Manifest;
  try {
    manifest = await loadManifest(openVersion(store, detector, version, options), { version });
  } catch (error) {
    if (error instanceof HimplosError && error.code === 'bad-artifact') return [error.message];
    throw error;
  }
  for (const entry of manifest.files) {
    try {
      for await (const _ of versionBody(store, detector, version, entry, options).open());
    } catch (error) {
      if (!(error instanceof HimplosError) || !['bad-artifact', 'not-found'].includes(error.code))
        throw error;
      problems.push(`${entry.name}: ${error.message}`);
    }
  }
  const known = new Set<string>([MANIFEST_FILE, ...manifest.files.map(({ name }) => name)]);
  const folder = versionFolder(detector, version);
  for await (const { key } of store.list(folder, options)) {
    const name = key.slice(folder.length);
    if (!known.has(name)) problems.push(`${name}: the manifest does not list it`);
  }
  return problems;
}

/**
 * Removes a version, and whatever else lies in its place. The manifest goes first: a crash leaves an unfinished version,
 * not a damaged one.
 */
export async function deleteVersion(
  store: ObjectStore,
  detector: string,
  version: string,
  options: CallOptions = {},
): Promise<void> {
  for (const name of [MANIFEST_FILE, ...ARTIFACT_FILES] as const) {
    await store.delete(versionKey(detector, version, name), options);
  }
  for await (const { key } of store.list(versionFolder(detector, version), options)) {
    await store.delete(key, options);
  }
}

async function findAbsent(
  store: ObjectStore,
  detector: string,
  { version, files }: Manifest,
  options: CallOptions,
): Promise<readonly ManifestEntry[]> {
  const heads = await Promise.all(
    files.map(({ name }) => store.head(versionKey(detector, version, name), options)),
  );
  return files.filter((_, i) => heads[i] === undefined);
}

/** Writes an object unless the same content is there; resolves to whether it wrote. */
async function putOnce(
  store: ObjectStore,
  key: string,
  body: ObjectBody,
  sha256: string,
  options: CallOptions,
): Promise<boolean> {
  try {
    await store.put(key, body, { ...options, ifNoneMatch: '*' });
    return true;
  } catch (error) {
    if (!(error instanceof HimplosError) || error.code !== 'conflict') throw error;
    const hash = createHash('sha256');
    for await (const chunk of (await store.open(key, options)).chunks) hash.update(chunk);
    if (hash.digest('hex') === sha256) return false;
    throw new HimplosError('conflict', `${store.address}/${key} is already there with other content`, {
      hint: 'versions are never overwritten; himplos prune removes what an interrupted publish left',
      cause: error,
    });
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
