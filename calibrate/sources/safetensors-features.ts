import { HimplosError } from '../../shared/errors.ts';
import {
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsDataOffset,
} from '../../shared/formats/safetensors.ts';
import type { FeatureSource } from './contract.ts';
import { openFeatureFile, type StoredArray } from './feature-file.ts';
import { nameError } from './file-error.ts';
import { readFileStart } from './read-file.ts';

/**
 * A `.safetensors` file with the tensor `features`, float32 or float64 [rows, width], and, where there are labels,
 * `labels`, int64, int32 or uint8 [rows]. Other tensors are passed over. Throws `bad-input`, `unsupported` or
 * `too-large`.
 */
export async function openSafetensorsFeatures(address: string, signal?: AbortSignal): Promise<FeatureSource> {
  const { entries } = await readHeader(address);
  const find = (name: string): StoredArray | undefined => {
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry === undefined) return undefined;
    const { dtype, shape, begin } = entry;
    return { path: address, name: `${address}: tensor ${name}`, dtype, shape, begin };
  };
  const features = find('features');
  if (features === undefined) {
    const names = entries.slice(0, 8).map(({ name }) => name);
    throw new HimplosError(
      'bad-input',
      `${address}: expected a tensor "features", got ${names.join(', ') || 'none'}`,
      { hint: 'safetensors.numpy.save_file({"features": features, "labels": labels}, path)' },
    );
  }
  return openFeatureFile(address, features, find('labels'), signal);
}

async function readHeader(path: string): Promise<SafetensorsHeader> {
  const first = await readFileStart(path, 8);
  try {
    const dataOffset = safetensorsDataOffset(first.bytes, first.fileBytes);
    const { bytes, fileBytes } = await readFileStart(path, dataOffset);
    return parseSafetensorsHeader(bytes, fileBytes);
  } catch (cause) {
    throw nameError(cause, path);
  }
}
