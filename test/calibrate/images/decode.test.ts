import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../calibrate/images/decode.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { drawJpeg, drawPixels, drawPng } from './draw-image.ts';

const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

/** A PNG written chunk by chunk: for what no encoder would write. */
function writePng(
  width: number,
  height: number,
  depth: number,
  colour: number,
  rows: Uint8Array,
): Uint8Array {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([ascii(type), data]);
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32BE(data.length, 0);
    sizes.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([sizes.subarray(0, 4), body, sizes.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour], 8);
  return new Uint8Array(
    Buffer.concat([
      ascii('\x89PNG\r\n\x1a\n'),
      chunk('IHDR', header),
      chunk('IDAT', deflateSync(rows)),
      chunk('IEND', new Uint8Array(0)),
    ]),
  );
}

describe('decoding', () => {
  it('gives the pixels that were stored', async () => {
    const { pixels, width, height } = await decodeImage(await drawPng(13, 7, 1));
    expect([width, height]).toEqual([13, 7]);
    expect(pixels).toEqual(drawPixels(13, 7, 1));
  });

  it('works on a part of a larger buffer and leaves it alone', async () => {
    const png = await drawPng(4, 4, 2);
    const buffer = new Uint8Array(png.length + 50).fill(7);
    buffer.set(png, 20);
    const before = buffer.slice();
    const { pixels } = await decodeImage(buffer.subarray(20, 20 + png.length));
    expect(pixels).toEqual(drawPixels(4, 4, 2));
    expect(buffer).toEqual(before);
  });

  it('drops alpha without blending it', async () => {
    const rgba = Uint8Array.of(10, 20, 30, 0, 40, 50, 60, 128);
    const png = await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect([...(await decodeImage(png)).pixels]).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it('cuts 16-bit grey off at 255 and keeps the high byte of 16-bit colour, as Pillow does', async () => {
    const grey = writePng(3, 1, 16, 0, Uint8Array.of(0, 0, 200, 1, 4, 0xff, 0xff));
    expect([...(await decodeImage(grey)).pixels]).toEqual([200, 200, 200, 255, 255, 255, 255, 255, 255]);
    const colour = writePng(1, 1, 16, 2, Uint8Array.of(0, 0x12, 0xff, 0x80, 0x00, 0xfe, 0x7f));
    expect([...(await decodeImage(colour)).pixels]).toEqual([0x12, 0x80, 0xfe]);
  });

  it('takes the first frame of an animation', async () => {
    const frames = Uint8Array.of(...[255, 0, 0], ...[0, 255, 0]);
    const gif = await sharp(frames, { raw: { width: 1, height: 2, channels: 3, pageHeight: 1 } })
      .gif()
      .toBuffer();
    const { pixels, width, height } = await decodeImage(gif);
    expect([width, height, ...pixels]).toEqual([1, 1, 255, 0, 0]);
  });

  it.each(['webp', 'tiff', 'avif', 'gif', 'jpeg', 'png'] as const)('reads %s', async (format) => {
    const raw = { width: 16, height: 16, channels: 3 } as const;
    const bytes = await sharp(drawPixels(16, 16, 3), { raw })
      .toFormat(format)
      .toBuffer();
    const { width, height, pixels } = await decodeImage(bytes);
    expect([width, height, pixels.length]).toEqual([16, 16, 768]);
  });
});

describe('what cannot be decoded', () => {
  it.each([
    ['nothing', new Uint8Array(0), 'bad-input', '0 bytes'],
    ['text', ascii('hello, this is no image'), 'bad-input', 'not an image'],
    ['a lone marker', Uint8Array.of(0xff, 0xd8, 0xff), 'bad-input', 'jpeg'],
    ['SVG', ascii('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'unsupported', 'SVG'],
    ['SVG in XML', ascii('<?xml version="1.0"?><svg/>'), 'unsupported', 'SVG'],
    ['PDF', ascii('%PDF-1.7'), 'unsupported', 'PDF'],
    ['BMP', ascii('BM123456789012'), 'unsupported', 'BMP'],
    ['HEIF', ascii('\0\0\0\x18ftypheic\0\0\0\0mif1heic'), 'unsupported', 'HEIF'],
    ['JPEG 2000', ascii('\0\0\0\x0cjP  \r\n\x87\n'), 'unsupported', 'JPEG 2000'],
    ['JPEG XL', ascii('\xff\x0a\0\0\0\0\0\0'), 'unsupported', 'JPEG XL'],
  ])('%s is refused, saying what it is', async (_, bytes, code, message) => {
    const error = await rejectionOf(decodeImage(bytes));
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(error.hint).toBeDefined();
  });

  it('a JPEG or PNG cut off anywhere is refused', async () => {
    for (const whole of [await drawJpeg(40, 40, 4), await drawPng(40, 40, 4)]) {
      for (const share of [0.1, 0.3, 0.6, 0.9]) {
        const error = await rejectionOf(decodeImage(whole.subarray(0, Math.floor(whole.length * share))));
        expect(error).toMatchObject({
          code: 'bad-input',
          message: expect.stringContaining('cannot be decoded'),
        });
        expect(error.hint).toContain('--skip-bad');
      }
    }
  });

  it('an image bomb is refused by its header, before its pixels', async () => {
    const bomb = writePng(60_000, 60_000, 8, 2, new Uint8Array(64));
    const before = process.memoryUsage().rss;
    const error = await rejectionOf(decodeImage(bomb));
    expect(error.code).toBe('too-large');
    expect(process.memoryUsage().rss - before).toBeLessThan(500e6); // its pixels would take 10.8 GB
  });

  it('limits on bytes and pixels are kept', async () => {
    const png = await drawPng(10, 10, 5);
    const limits = { bytes: png.length, pixels: 100 };
    expect((await decodeImage(png, limits)).width).toBe(10);
    expect((await rejectionOf(decodeImage(png, { ...limits, pixels: 99 }))).message).toContain(
      'more than 99 pixels',
    );
    expect((await rejectionOf(decodeImage(png, { ...limits, bytes: png.length - 1 }))).code).toBe(
      'too-large',
    );
  });
});
