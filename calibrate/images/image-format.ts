import { HimplosError } from '../../shared/errors.ts';

/** What an encoded image is, as its first bytes tell. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif';

/**
 * Recognises an encoded image by its content, whatever its name says. Only these formats ever reach the
 * decoder: what it could make of SVG, PDF or anything else is nothing a classifier was trained on, and more
 * code for a hostile file to run.
 * Throws `bad-input` for what is not an image, `unsupported` for a known kind that is not read.
 */
export function recognizeFormat(bytes: Uint8Array): ImageFormat {
  const ascii = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  const head = ascii(0, 12);
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'webp';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif';
  if (/^(II[*+]\0|MM\0[*+])/.test(head)) return 'tiff';
  if (head.slice(4, 8) === 'ftyp') {
    // The brands are the file's own list of what it is; AVIF is often a compatible brand only.
    const brands = ascii(8, Math.min(bytes.length, 64));
    if (/avi[fs]/.test(brands)) return 'avif';
    throw unread('HEIF');
  }
  if (head.startsWith('BM')) throw unread('BMP');
  if (head.startsWith('%PDF')) throw unread('PDF');
  if (head.startsWith('\xff\x0a') || head.startsWith('\0\0\0\x0cJXL ')) throw unread('JPEG XL');
  if (head.startsWith('\0\0\0\x0cjP  ') || head.startsWith('\xff\x4f\xff\x51')) throw unread('JPEG 2000');
  if (/^\s*<(svg|\?xml|!doctype|html)/i.test(ascii(0, 64))) throw unread('SVG or HTML');
  throw new HimplosError(
    'bad-input',
    bytes.length === 0
      ? 'the image is empty (0 bytes)'
      : 'not an image: its first bytes match no known format',
    { hint: 'expected JPEG, PNG, WebP, GIF, TIFF or AVIF' },
  );
}

function unread(format: string): HimplosError {
  return new HimplosError('unsupported', `${format} images are not read`, {
    hint: 'convert it to PNG (lossless) first: JPEG, PNG, WebP, GIF, TIFF and AVIF are read',
  });
}
