import sharp from 'sharp';
import { afterEach, expect, it, vi } from 'vitest';
import { decodeImage } from '../../../calibrate/images/decode.ts';

const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: 'teal' } });
const CODEC = '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs';

afterEach(() => {
  vi.doUnmock('sharp');
  vi.doUnmock(CODEC);
});

it('a decoder that is not installed is no fault of the image, and found again once it is there', async () => {
  const [png, jpeg] = [await picture.png().toBuffer(), await picture.jpeg().toBuffer()];
  vi.doMock('sharp', () => Promise.reject(new Error('no such package')));
  vi.doMock(CODEC, () => Promise.reject(new Error('no such package')));
  for (const image of [png, jpeg]) {
    await expect(decodeImage(image)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('cannot be loaded'),
    });
  }
  vi.doUnmock('sharp');
  vi.doUnmock(CODEC);
  for (const image of [png, jpeg]) expect(await decodeImage(image)).toMatchObject({ width: 8, height: 8 });
});
