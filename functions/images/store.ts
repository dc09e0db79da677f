import { existsSync } from 'node:fs';
import { isSha256Hex } from '../../shared/artifact/digest.ts';
import { MAX_MANIFEST_BYTES } from '../../shared/artifact/manifest.ts';
import { readConfiguration } from '../runtime/configuration.ts';
import { openReader } from '../runtime/open-reader.ts';
import { DETECTOR_AHEAD, type FileAhead, readAhead } from '../runtime/read-ahead.ts';
import { MODEL_FOLDER, modelPath } from './model-folder.ts';

export const configuration = readConfiguration(process.env);

/** The store; all that a version needs is on its way once this file has been loaded, before anything else is. */
export const store = readAhead(openReader(configuration), configuration, [
  { file: 'manifest.json', maxBytes: MAX_MANIFEST_BYTES, follow: modelAhead },
  DETECTOR_AHEAD,
]);

/** Larger ones wait until the manifest has been verified. */
const MAX_MODEL_BYTES_AHEAD = 256 * 2 ** 20;

/** The model that a manifest seems to list, unless a process before this one has kept it. */
function modelAhead(manifest: Uint8Array): FileAhead[] {
  const { files } = JSON.parse(new TextDecoder().decode(manifest)) as {
    files: { name: unknown; bytes: unknown; sha256: unknown }[];
  };
  const entry = files.find(({ name }) => name === 'detector.onnx');
  const [bytes, sha256] = [Number(entry?.bytes), String(entry?.sha256)];
  if (!isSha256Hex(sha256) || existsSync(modelPath(MODEL_FOLDER, sha256))) return [];
  return bytes <= MAX_MODEL_BYTES_AHEAD ? [{ file: 'detector.onnx', maxBytes: bytes }] : [];
}
