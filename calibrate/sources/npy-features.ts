import { HimplosError } from '../../shared/errors.ts';
import { countBytes } from '../../shared/formats/element-types.ts';
import { MAX_NPY_HEADER_BYTES, parseNpyHeader } from '../../shared/formats/npy.ts';
import type { FeatureSource } from './contract.ts';
import { openFeatureFile, type StoredArray } from './feature-file.ts';
import { nameError } from './file-error.ts';
import { readFileStart } from './read-file.ts';

/**
 * `features.npy` or `features.npy:labels.npy`: features float32 or float64 [rows, width], labels int64, int32 or
 * uint8 [rows], all in C order. Throws `bad-input`, `unsupported` (another dtype, Fortran order) or `too-large`.
 */
export async function openNpyFeatures(
  address: string,
  featuresPath: string,
  labelsPath: string | undefined,
  signal?: AbortSignal,
): Promise<FeatureSource> {
  return openFeatureFile(
    address,
    await locate(featuresPath),
    labelsPath === undefined ? undefined : await locate(labelsPath),
    signal,
  );
}

async function locate(path: string): Promise<StoredArray> {
  const { bytes, fileBytes } = await readFileStart(path, MAX_NPY_HEADER_BYTES);
  const { dtype, shape, fortranOrder, dataOffset } = readHeader(bytes, path);
  if (fortranOrder && shape.length > 1) {
    throw new HimplosError('unsupported', `${path}: expected C order, got Fortran order`, {
      hint: 'save numpy.ascontiguousarray(array) instead',
    });
  }
  const expected = dataOffset + countBytes(dtype, shape)!;
  if (fileBytes !== expected) {
    throw new HimplosError(
      'bad-input',
      `${path}: expected ${expected} bytes for ${dtype} [${shape}], got ${fileBytes}`,
      { hint: 'the file is truncated or was written for another shape: save it again' },
    );
  }
  return { path, name: path, dtype, shape, begin: dataOffset };
}

/** The header's own errors do not know the file's name. */
function readHeader(bytes: Uint8Array, path: string): ReturnType<typeof parseNpyHeader> {
  try {
    return parseNpyHeader(bytes);
  } catch (cause) {
    throw nameError(cause, path);
  }
}
