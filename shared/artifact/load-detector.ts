import { HimplosError } from '../errors.ts';
import { badArtifact } from './bad-artifact.ts';
import { type DetectorContents, decodeDetector } from './detector.ts';
import { sha256Hex } from './digest.ts';
import {
  type ArtifactFile,
  decodeManifest,
  MANIFEST_FILE,
  MAX_MANIFEST_BYTES,
  type Manifest,
  manifestEntry,
  verifyFile,
} from './manifest.ts';

/** Where the files of one version come from: a folder, or a version in a store. */
export interface ArtifactReader {
  /** For messages: a path or an address without credentials. */
  readonly address: string;
  /** A whole file. Throws `not-found`, `too-large` when it has more than `maxBytes`, or `unavailable`. */
  read(file: ArtifactFile | typeof MANIFEST_FILE, maxBytes: number): Promise<Uint8Array>;
}

/** A detector whose bytes have been checked against its manifest. */
export interface LoadedDetector extends DetectorContents {
  /** SHA-256 of detector.safetensors. */
  readonly version: string;
  readonly manifest: Manifest;
}

/** More than this is refused unless the caller says otherwise: banks of training features are this large, nothing else. */
export const DEFAULT_MAX_DETECTOR_BYTES = 1024 ** 3;

/**
 * Loads a version: manifest, then detector.safetensors, whose length and SHA-256 must be the manifest's, then
 * everything `decodeDetector` checks.
 * @param expected `version` and `manifestSha256` are what a channel promised; anything else is refused
 * Throws `not-found` when there is no version, `too-large` above `maxBytes`, `bad-artifact` for everything that
 * cannot be trusted, `unavailable` when the reader fails.
 */
export async function loadDetector(
  reader: ArtifactReader,
  expected: { readonly version?: string; readonly manifestSha256?: string; readonly maxBytes?: number } = {},
): Promise<LoadedDetector> {
  const manifest = await loadManifest(reader, expected);
  const bytes = await loadArtifactFile(
    reader,
    manifest,
    'detector.safetensors',
    expected.maxBytes ?? DEFAULT_MAX_DETECTOR_BYTES,
  );
  return { ...(await decodeDetector(bytes)), version: manifest.version, manifest };
}

/** Loads and checks the manifest alone. Throws as {@link loadDetector}. */
export async function loadManifest(
  reader: ArtifactReader,
  expected: { readonly version?: string; readonly manifestSha256?: string } = {},
): Promise<Manifest> {
  const bytes = await readManifest(reader);
  if (expected.manifestSha256 !== undefined && (await sha256Hex(bytes)) !== expected.manifestSha256) {
    throw badArtifact(`${reader.address}: ${MANIFEST_FILE} is not the one that was promoted`);
  }
  const manifest = decodeManifest(bytes);
  if (expected.version !== undefined && manifest.version !== expected.version) {
    throw badArtifact(`${reader.address}: expected version ${expected.version}, got ${manifest.version}`);
  }
  return manifest;
}

/** Loads one file of a version and checks its length and SHA-256. Throws as {@link loadDetector}. */
export async function loadArtifactFile(
  reader: ArtifactReader,
  manifest: Manifest,
  name: ArtifactFile,
  maxBytes: number,
): Promise<Uint8Array> {
  const entry = manifestEntry(manifest, name);
  if (entry.bytes > maxBytes) {
    throw new HimplosError(
      'too-large',
      `${reader.address}: ${name} has ${entry.bytes} bytes, at most ${maxBytes} are loaded`,
      {
        hint: 'raise the limit, or calibrate a method without a bank of training features',
      },
    );
  }
  const bytes = await asDamage(reader, name, () => reader.read(name, entry.bytes));
  await verifyFile(entry, bytes);
  return bytes;
}

async function readManifest(reader: ArtifactReader): Promise<Uint8Array> {
  try {
    return await reader.read(MANIFEST_FILE, MAX_MANIFEST_BYTES);
  } catch (cause) {
    if (!(cause instanceof HimplosError)) throw cause;
    if (cause.code === 'too-large') throw badArtifact(`${reader.address}: ${cause.message}`, { cause });
    if (cause.code !== 'not-found') throw cause;
    throw new HimplosError('not-found', `${reader.address}: expected a detector, found no ${MANIFEST_FILE}`, {
      hint: 'himplos calibrate --out writes one; a folder without a manifest was never finished',
      cause,
    });
  }
}

/** A listed file that is absent, or longer than listed, is damage. */
async function asDamage(
  reader: ArtifactReader,
  name: string,
  read: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof HimplosError) || (cause.code !== 'not-found' && cause.code !== 'too-large'))
      throw cause;
    throw badArtifact(`${reader.address}: ${name} is not as its manifest lists it: ${cause.message}`, {
      cause,
    });
  }
}
