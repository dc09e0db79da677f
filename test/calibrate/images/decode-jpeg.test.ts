import sharp, { type JpegOptions } from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeJpeg, readJpegHeader } from '../../../calibrate/images/decode-jpeg.ts';
import { randomNumbers } from '../../shared/random.ts';
import { drawPixels } from './draw-image.ts';

/** What sharp, another build of the same library, makes of it; nothing where it refuses. */
async function decodeBySharp(bytes: Uint8Array): Promise<Buffer | undefined> {
  try {
    return await sharp(bytes, { failOn: 'error', ignoreIcc: true }).toColourspace('srgb').raw().toBuffer();
  } catch {
    return undefined;
  }
}

async function encode(width: number, height: number, options: JpegOptions, seed = 1) {
  const raw = { width, height, channels: 3 } as const;
  return new Uint8Array(
    await sharp(drawPixels(width, height, seed), { raw })
      .jpeg(options)
      .toBuffer(),
  );
}

async function decode(bytes: Uint8Array) {
  const header = readJpegHeader(bytes);
  return header && (await decodeJpeg(bytes, header));
}

describe('the JPEG decoder', () => {
  const options = [1, 30, 75, 100].flatMap((quality) =>
    (['4:4:4', '4:2:0'] as const).flatMap((chromaSubsampling) =>
      [false, true].map((optimiseCoding) => ({ quality, chromaSubsampling, optimiseCoding })),
    ),
  );

  it.each(options)('gives the bytes that sharp gives: %o', async (option) => {
    for (const [width, height] of [
      [1, 1],
      [17, 31],
      [224, 97],
    ] as const) {
      const jpeg = await encode(width, height, option);
      const decoded = await decode(jpeg);
      expect(decoded).toMatchObject({ width, height });
      expect((await decodeBySharp(jpeg))!.equals(decoded!.pixels)).toBe(true);
    }
  });

  it('keeps its results apart from its own memory', async () => {
    const [one, two] = [await encode(40, 30, {}, 1), await encode(40, 30, {}, 2)];
    const first = await decode(one);
    const before = first!.pixels.slice();
    const second = await decode(two);
    expect(first!.pixels).toEqual(before);
    expect(second!.pixels).not.toEqual(before);
  });

  it('leaves progressive, grey and large ones to the general decoder', async () => {
    const grey = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#888' } })
      .toColourspace('b-w')
      .jpeg()
      .toBuffer();
    expect(readJpegHeader(grey)).toMatchObject({ components: 1 });
    const large = await encode(2048, 1025, { quality: 1 });
    for (const jpeg of [await encode(16, 16, { progressive: true }), grey, large]) {
      expect(await decode(jpeg)).toBeUndefined();
      expect(await decodeBySharp(jpeg)).toBeDefined();
    }
  });

  it('takes no damaged file that sharp refuses, and goes on after hundreds of complaints', async () => {
    const random = randomNumbers(11);
    const whole = await encode(64, 48, {});
    let refused = 0;
    let taken = 0;
    for (let i = 0; i < 600; i++) {
      const damaged = i % 2 === 0 ? whole.slice(0, Math.floor(random() * whole.length)) : whole.slice();
      if (i % 2 === 1) damaged[Math.floor(random() * damaged.length)]! ^= 1 << Math.floor(random() * 8);
      if ((await decode(damaged)) === undefined) refused++;
      else {
        taken++;
        expect(await decodeBySharp(damaged)).toBeDefined();
      }
    }
    expect(refused).toBeGreaterThan(256);
    expect(taken).toBeGreaterThan(50);
    expect(await decode(whole)).toBeDefined();
  });
});
