import { hash } from 'node:crypto';
import { HimplosError } from '../../shared/errors.ts';
import type { Preprocessor } from '../../shared/images/preprocess.ts';
import { decodeImage, type ImageLimits } from './decode.ts';
import { openJpegDecoder } from './decode-jpeg.ts';

/** What is known of an image that is ready for the classifier. */
export interface PreparedImage {
  /** Of its input. */
  readonly height: number;
  readonly width: number;
  /** sha256 of the encoded bytes, 32 bytes. */
  readonly digest: Uint8Array;
}

/** What one image may cost. */
export interface PrepareLimits extends ImageLimits {
  /** Values of its input. */
  readonly values: number;
}

/** Begins to load the decoder of usual JPEGs, for whoever has something else to wait for before the first image. */
export function startDecoder(): void {
  // A failure shows with an image.
  openJpegDecoder().catch(() => undefined);
}

/**
 * Decodes and preprocesses one image: everything between its bytes and the classifier's input, so that it can run
 * on any thread.
 * @param room gives memory for the input: as many values as asked for; 3 × height × width are written, channel by channel
 * @throws as {@link decodeImage} and {@link Preprocessor.write}; `too-large` for an input over `limits.values`
 */
export async function prepareImage(
  bytes: Uint8Array,
  preprocessor: Preprocessor,
  limits: PrepareLimits,
  room: (values: number) => Float32Array,
): Promise<PreparedImage> {
  const { pixels, width: pixelWidth, height: pixelHeight } = await decodeImage(bytes, limits);
  const { width, height } = preprocessor.outputSize(pixelWidth, pixelHeight);
  const values = 3 * width * height;
  if (values > limits.values) {
    throw new HimplosError(
      'too-large',
      `it becomes an input of ${width} × ${height}: expected at most ${limits.values} values an image in batches of this size`,
      { hint: 'give a smaller --batch, or --resize and --crop as the classifier was trained with' },
    );
  }
  preprocessor.write(pixels, pixelWidth, pixelHeight, room(values), 0);
  return { height, width, digest: new Uint8Array(hash('sha256', bytes, 'buffer')) };
}
