import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where models are kept between processes of one container. */
export const MODEL_FOLDER = join(tmpdir(), 'himplos-models');

/** 2 GiB, the most that protobuf allows. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** The file of a model in a folder for models. */
export function modelPath(folder: string, sha256: string): string {
  return join(folder, `${sha256}.onnx`);
}
