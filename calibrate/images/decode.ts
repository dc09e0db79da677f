import type { Sharp, SharpOptions } from 'sharp';
import { HimplosError } from '../../shared/errors.ts';
import { decodeJpeg, readJpegHeader } from './decode-jpeg.ts';
import { type ImageFormat, recognizeFormat } from './image-format.ts';
import { lazyDecoder } from './lazy-decoder.ts';

/** A decoded image. */
export interface DecodedImage {
  /** height × width × 3 bytes, RGB. */
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** What an image may cost. */
export interface ImageLimits {
  /** Encoded size. */
  readonly bytes: number;
  /** Width × height. */
  readonly pixels: number;
}

export const defaultImageLimits: ImageLimits = { bytes: 64 * 2 ** 20, pixels: 64 * 2 ** 20 };

/**
 * Decodes an image to what Pillow's `Image.open(file).convert("RGB")` gives, byte for byte for JPEG, PNG, WebP
 * and the usual TIFFs: colour profiles and EXIF orientation are ignored, alpha is dropped and not blended,
 * palettes are expanded, grey is repeated, CMYK goes through Pillow's formula, 16-bit colour keeps its high
 * byte, 16-bit grey is cut off at 255 (Pillow's own oddity), of an animation the first frame counts.
 * Known differences: transparent pixels of a GIF are black here and their palette's colour in Pillow; AVIF's
 * chroma is interpolated otherwise; Pillow ≥ 10 turns TIFFs (only) by their orientation.
 *
 * Truncated and undecodable files are refused exactly where Pillow refuses them. (`failOn: 'error'` was compared
 * with Pillow on 60 damaged copies each of seven files; 'truncated' lets cut-off TIFFs pass, 'warning' refuses
 * images that every other tool reads, among them some of ImageNet's.)
 *
 * Throws `bad-input`, `unsupported` or `too-large`, saying what is wrong; the caller knows the image's name. Throws
 * `unavailable` when a decoder is not installed, which is no fault of the image.
 */
export async function decodeImage(
  bytes: Uint8Array,
  limits: ImageLimits = defaultImageLimits,
): Promise<DecodedImage> {
  if (bytes.length > limits.bytes) {
    throw new HimplosError(
      'too-large',
      `the encoded image has ${bytes.length} bytes: expected at most ${limits.bytes}`,
      { hint: 'store it smaller' },
    );
  }
  const format = recognizeFormat(bytes);
  try {
    return await decode(bytes, format, limits);
  } catch (cause) {
    throw explain(cause, format, limits);
  }
}

async function decode(bytes: Uint8Array, format: ImageFormat, limits: ImageLimits): Promise<DecodedImage> {
  // The decoder checks the pixel limit against the header, before it decodes or allocates.
  const options: SharpOptions = { failOn: 'error', ignoreIcc: true, limitInputPixels: limits.pixels };
  const header = format === 'jpeg' ? readJpegHeader(bytes) : undefined;
  if (header !== undefined && header.width * header.height <= limits.pixels) {
    const decoded = await decodeJpeg(bytes, header);
    if (decoded !== undefined) return decoded;
  }
  const sharp = await openSharp();
  switch (await findLayout(sharp, bytes, format, options)) {
    case 'cmyk': {
      const raw = await read(sharp(bytes, options).pipelineColourspace('cmyk').toColourspace('cmyk'), 4);
      return { ...raw, pixels: cmykToRgb(raw.pixels) };
    }
    case 'grey16': {
      const pipeline = sharp(bytes, options).toColourspace('grey16').extractChannel(0);
      const raw = await read(pipeline.raw({ depth: 'ushort' }), 2);
      return { ...raw, pixels: grey16ToRgb(raw.pixels) };
    }
    case 'other':
      return await read(sharp(bytes, options).removeAlpha().toColourspace('srgb'), 3);
  }
}

type SharpModule = typeof import('sharp').default;
const sharpDecoder = lazyDecoder('sharp', loadSharp);

/**
 * The general decoder. Its JavaScript and its library take 50 ms to load in a new process: only for images that
 * `decodeJpeg` does not do. Throws `unavailable` when it cannot be loaded.
 */
export function openSharp(): Promise<SharpModule> {
  return sharpDecoder.open();
}

async function loadSharp(): Promise<SharpModule> {
  const { default: sharp } = await import('sharp');
  // One image is one unit of work: several decode side by side, so that splitting one over threads or keeping
  // its tiles for later only costs.
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}

/** Pixels whose conversion to RGB the decoder does in another way than Pillow. */
type Layout = 'cmyk' | 'grey16' | 'other';

async function findLayout(
  sharp: SharpModule,
  bytes: Uint8Array,
  format: ImageFormat,
  options: SharpOptions,
): Promise<Layout> {
  if (format === 'jpeg') return readJpegHeader(bytes)?.components === 4 ? 'cmyk' : 'other';
  // IHDR comes first in every PNG: bit depth at byte 24, colour type (0: grey without alpha) at byte 25.
  if (format === 'png') return bytes[24] === 16 && bytes[25] === 0 ? 'grey16' : 'other';
  if (format !== 'tiff') return 'other';
  const { space, depth, channels } = await sharp(bytes, options).metadata();
  if (depth !== 'uchar' && depth !== 'ushort') {
    throw new HimplosError('unsupported', `a TIFF of ${depth} samples: expected 8 or 16 bits`, {
      hint: 'convert it to 8-bit RGB as the classifier was trained with',
    });
  }
  if (space === 'cmyk') return 'cmyk';
  return depth === 'ushort' && channels === 1 ? 'grey16' : 'other';
}

async function read(pipeline: Sharp, bytesPerPixel: number): Promise<DecodedImage> {
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  if (data.length !== width * height * bytesPerPixel) {
    throw new Error(`the decoder gave ${data.length} bytes for ${width} × ${height} pixels`);
  }
  return { pixels: new Uint8Array(data.buffer, data.byteOffset, data.length), width, height };
}

/** Pillow's formula: 255 − k − ⌊c·(255 − k)/255 rounded⌋ for each of c, m, y, not below 0. */
function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  let o = 0;
  for (let i = 0; i < cmyk.length; i += 4) {
    const light = 255 - cmyk[i + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      const product = cmyk[i + channel]! * light + 128;
      rgb[o++] = light - (((product >> 8) + product) >> 8); // product / 255, rounded; never above light
    }
  }
  return rgb;
}

/** Values above 255 become 255. */
function grey16ToRgb(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rgb = new Uint8Array((bytes.length / 2) * 3);
  for (let i = 0; i < bytes.length / 2; i++) {
    rgb.fill(Math.min(255, view.getUint16(2 * i, true)), 3 * i, 3 * i + 3);
  }
  return rgb;
}

function explain(cause: unknown, format: ImageFormat, limits: ImageLimits): HimplosError {
  if (cause instanceof HimplosError) return cause;
  const reason = cause instanceof Error ? cause.message.split('\n')[0]! : String(cause);
  if (/pixel limit/i.test(reason)) {
    return new HimplosError('too-large', `the image has more than ${limits.pixels} pixels`, {
      hint: 'make it smaller first',
      cause,
    });
  }
  return new HimplosError('bad-input', `the ${format} image cannot be decoded: ${reason}`, {
    hint: 'the file is damaged or truncated: replace it, or go on without it (--skip-bad)',
    cause,
  });
}
