import sharp from 'sharp';
import { PICTURE_SIDE, type Picture } from './drawing/painter.ts';

/** A drawing as a PNG file. */
export function encodePicture(picture: Picture): Promise<Uint8Array> {
  return encodePng(picture, PICTURE_SIDE, PICTURE_SIDE);
}

/** RGB bytes, row by row, as a PNG file. */
export function encodePng(pixels: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 6 })
    .toBuffer();
}
