import { PICTURE_SIDE, type Picture } from './painter.ts';
import type { Random } from './random.ts';

/** Cuts a picture into tiles × tiles squares and puts them back in another order. `tiles` divides the side. */
export function shuffleTiles(picture: Picture, tiles: number, random: Random): Picture {
  const order = Array.from({ length: tiles * tiles }, (_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const other = random.whole(0, i);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  const tileSide = PICTURE_SIDE / tiles;
  const shuffled = new Uint8Array(picture.length);
  for (const [to, from] of order.entries()) {
    for (let row = 0; row < tileSide; row++) {
      const start = rowStart(from, row, tiles, tileSide);
      shuffled.set(picture.subarray(start, start + 3 * tileSide), rowStart(to, row, tiles, tileSide));
    }
  }
  return shuffled;
}

/** A weighted mean of two pictures; `share` is the first one's. */
export function blendPictures(first: Picture, second: Picture, share: number): Picture {
  return first.map((value, i) => Math.round(share * value + (1 - share) * second[i]!));
}

/** A Gaussian blur with a standard deviation in pixels; beyond the edge the outermost pixel goes on. */
export function blur(picture: Picture, sigma: number): Picture {
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const kernel = weights.map((weight) => weight / total);
  const once = blurAlong(Float64Array.from(picture), kernel, 3, 3 * PICTURE_SIDE);
  const twice = blurAlong(once, kernel, 3 * PICTURE_SIDE, 3);
  return new Uint8Array(new Uint8ClampedArray(twice).buffer);
}

function rowStart(tile: number, row: number, tiles: number, tileSide: number): number {
  const y = Math.floor(tile / tiles) * tileSide + row;
  return 3 * (y * PICTURE_SIDE + (tile % tiles) * tileSide);
}

/** Steps are distances in the array between neighbours on the axis that is blurred, and on the other one. */
function blurAlong(
  values: Float64Array,
  kernel: readonly number[],
  step: number,
  otherStep: number,
): Float64Array {
  const reach = (kernel.length - 1) / 2;
  const blurred = new Float64Array(values.length);
  for (let line = 0; line < PICTURE_SIDE; line++) {
    for (let at = 0; at < PICTURE_SIDE; at++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let k = 0; k < kernel.length; k++) {
          const from = Math.min(PICTURE_SIDE - 1, Math.max(0, at + k - reach));
          sum += kernel[k]! * values[line * otherStep + from * step + channel]!;
        }
        blurred[line * otherStep + at * step + channel] = sum;
      }
    }
  }
  return blurred;
}
