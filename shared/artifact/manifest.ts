import { canonicalJson } from '../formats/canonical-json.ts';
import { list, object, oneOf, type Shape, text, whole } from '../formats/json-shape.ts';
import { parseStrictJson } from '../formats/strict-json.ts';
import { badArtifact } from './bad-artifact.ts';
import { sha256Hex } from './digest.ts';

/** Every file a version may have besides its manifest. */
export const ARTIFACT_FILES = [
  'detector.safetensors',
  'detector.onnx',
  'evaluation.safetensors',
  'report.html',
  'report.json',
] as const;

export type ArtifactFile = (typeof ARTIFACT_FILES)[number];

/** The file that lists the others; a version without it is not whole. */
export const MANIFEST_FILE = 'manifest.json';

/** One file as it must be. */
export interface ManifestEntry {
  readonly name: ArtifactFile;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a version consists of. */
export interface Manifest {
  readonly formatVersion: 1;
  /** The version's identity: SHA-256 of detector.safetensors. */
  readonly version: string;
  /** In the order of ARTIFACT_FILES; detector.safetensors is always there. */
  readonly files: readonly ManifestEntry[];
}

/** No manifest comes near this size. */
export const MAX_MANIFEST_BYTES = 16_384;

/** The manifest for these files (any order). Throws `bad-artifact` when the detector is not among them. */
export function makeManifest(files: readonly ManifestEntry[]): Manifest {
  const ordered = ARTIFACT_FILES.flatMap((name) => files.filter((file) => file.name === name));
  const version = ordered.find(({ name }) => name === 'detector.safetensors')?.sha256;
  if (version === undefined) throw badArtifact('it has no detector.safetensors');
  return { formatVersion: 1, version, files: ordered };
}

/** The bytes of manifest.json. The same files give the same bytes. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const { formatVersion, version, files } = manifest;
  const entries = files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }));
  return new TextEncoder().encode(`${canonicalJson({ formatVersion, version, files: entries })}\n`);
}

/**
 * Reads manifest.json: known fields and file names only, each file once, the version equal to the detector's
 * SHA-256, in the form {@link encodeManifest} writes. Throws `bad-artifact`.
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw badArtifact(`${MANIFEST_FILE} has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw badArtifact(`${MANIFEST_FILE} is not valid JSON`, { cause });
  }
  const misfit = shape(value);
  if (misfit !== undefined) {
    const where = misfit.path.join('.') || 'the top';
    throw badArtifact(`${MANIFEST_FILE} is wrong at ${where}: expected ${misfit.expected}`, {
      hint: 'it is damaged, or was written by another version of himplos',
    });
  }
  const manifest = value as Manifest;
  const canonical = encodeManifest(makeManifest(manifest.files));
  const isCanonical = canonical.length === bytes.length && canonical.every((byte, i) => byte === bytes[i]);
  if (!isCanonical || new Set(manifest.files.map(({ name }) => name)).size !== manifest.files.length) {
    throw badArtifact(
      `${MANIFEST_FILE} is not as himplos writes it, or its version is not its detector's SHA-256`,
    );
  }
  return manifest;
}

/** The entry of one file. Throws `bad-artifact` when the version does not have it. */
export function manifestEntry(manifest: Manifest, name: ArtifactFile): ManifestEntry {
  const entry = manifest.files.find((file) => file.name === name);
  if (entry === undefined) {
    const names = manifest.files.map((file) => file.name).join(', ');
    throw badArtifact(`version ${manifest.version.slice(0, 12)} has no ${name}, only ${names}`, {
      hint: `calibrate with the inputs that ${name} needs`,
    });
  }
  return entry;
}

/** The entry that describes these bytes. */
export async function describeFile(name: ArtifactFile, bytes: Uint8Array): Promise<ManifestEntry> {
  return { name, bytes: bytes.length, sha256: await sha256Hex(bytes) };
}

/** Throws `bad-artifact` unless the bytes are exactly the file that the manifest lists. */
export async function verifyFile(entry: ManifestEntry, bytes: Uint8Array): Promise<void> {
  if (bytes.length !== entry.bytes) {
    throw badArtifact(`${entry.name}: expected ${entry.bytes} bytes, got ${bytes.length}`);
  }
  const sha256 = await sha256Hex(bytes);
  if (sha256 !== entry.sha256) {
    throw badArtifact(
      `${entry.name}: expected SHA-256 ${entry.sha256.slice(0, 12)}…, got ${sha256.slice(0, 12)}…`,
    );
  }
}

const digest = text(64, 64, /^[0-9a-f]{64}$/);

const shape: Shape<Manifest> = object<Manifest>({
  formatVersion: oneOf(1),
  version: digest,
  files: list(object<ManifestEntry>({ name: oneOf(...ARTIFACT_FILES), bytes: whole(0), sha256: digest })),
});
