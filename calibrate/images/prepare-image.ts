import { createHash } from 'node:crypto';
import type { Preprocessor } from '../../shared/images/preprocess.ts';
import { decodeImage, type ImageLimits } from './decode.ts';

/** One image, ready for the classifier. */
export interface PreparedImage {
  /** At least 3 × height × width values, channel by channel; the rest is left from before. */
  readonly tensor: Float32Array<ArrayBuffer>;
  readonly height: number;
  readonly width: number;
  /** sha256 of the encoded bytes, 32 bytes. */
  readonly digest: Uint8Array;
}

/**
 * Decodes and preprocesses one image: everything between its bytes and the classifier's input, so that it can run
 * on any thread.
 * @param buffer used for the tensor where it is long enough
 * @throws as {@link decodeImage} and {@link Preprocessor.write}
 */
export async function prepareImage(
  bytes: Uint8Array,
  preprocessor: Preprocessor,
  limits: ImageLimits,
  buffer: Float32Array<ArrayBuffer>,
): Promise<PreparedImage> {
  const digest = new Uint8Array(createHash('sha256').update(bytes).digest());
  const { pixels, width: pixelWidth, height: pixelHeight } = await decodeImage(bytes, limits);
  const { width, height } = preprocessor.outputSize(pixelWidth, pixelHeight);
  const values = 3 * width * height;
  const tensor = buffer.length >= values ? buffer : new Float32Array(values);
  preprocessor.write(pixels, pixelWidth, pixelHeight, tensor, 0);
  return { tensor, height, width, digest };
}
