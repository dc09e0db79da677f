import sharp from 'sharp';

/** RGB bytes that no two seeds share. */
export function drawPixels(width: number, height: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (i * 31 + seed * 97 + ((i * seed) >> 3)) % 256,
  );
}

/** A PNG of {@link drawPixels}: what is decoded is what was drawn. */
export async function drawPng(width: number, height: number, seed: number): Promise<Uint8Array> {
  const pixels = drawPixels(width, height, seed);
  return new Uint8Array(
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
  );
}

/** A JPEG of the same. */
export async function drawJpeg(width: number, height: number, seed: number): Promise<Uint8Array> {
  const pixels = drawPixels(width, height, seed);
  return new Uint8Array(
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .jpeg()
      .toBuffer(),
  );
}
