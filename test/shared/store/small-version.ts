import { encodeDetector } from '../../../shared/artifact/detector.ts';
import {
  type ArtifactFile,
  describeFile,
  type Manifest,
  makeManifest,
} from '../../../shared/artifact/manifest.ts';
import { smallDetector } from '../artifact/small-detector.ts';

/** A small version: a detector with this name in its document, and a report. */
export async function smallVersion(name: string): Promise<{
  readonly manifest: Manifest;
  readonly files: Readonly<Partial<Record<ArtifactFile, Uint8Array>>>;
  bodyOf(file: ArtifactFile): Uint8Array;
}> {
  const parts = smallDetector();
  const files: Partial<Record<ArtifactFile, Uint8Array>> = {
    'detector.safetensors': await encodeDetector({ ...parts, document: { ...parts.document, name } }),
    'report.json': new TextEncoder().encode(`{"name":"${name}"}`),
  };
  const entries = Object.entries(files).map(([file, bytes]) => describeFile(file as ArtifactFile, bytes));
  return { manifest: makeManifest(await Promise.all(entries)), files, bodyOf: (file) => files[file]! };
}
