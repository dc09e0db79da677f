import { describe, expect, it } from 'vitest';
import { blendPictures, blur, shuffleTiles } from '../../demo/drawing/filters.ts';
import { PICTURE_SIDE } from '../../demo/drawing/painter.ts';
import { createRandom } from '../../demo/drawing/random.ts';

const random = createRandom('filters');
const noise = Uint8Array.from({ length: PICTURE_SIDE ** 2 * 3 }, () => random.whole(0, 255));

describe('shuffling tiles', () => {
  it('keeps every tile whole and moves most of them', () => {
    const before = tilesOf(noise);
    const after = tilesOf(shuffleTiles(noise, 4, createRandom('shuffle')));
    expect([...after].sort()).toEqual([...before].sort());
    expect(after.filter((tile, i) => tile === before[i]).length).toBeLessThan(4);
  });
});

describe('blending', () => {
  it('weighs both pictures', () => {
    const [dark, bright] = [noise.map(() => 40), noise.map(() => 200)];
    expect(blendPictures(dark, bright, 0.25)).toEqual(noise.map(() => 160));
  });
});

describe('a blur', () => {
  it('leaves an even picture as it is, up to the edges', () => {
    const even = noise.map((_, i) => [10, 100, 250][i % 3]!);
    expect(blur(even, 4)).toEqual(even);
  });

  it('spreads a point as the Gaussian does in both directions', () => {
    const middle = PICTURE_SIDE / 2;
    const at = (x: number, y: number) => 3 * (y * PICTURE_SIDE + x);
    const point = noise.map(() => 0);
    for (let y = middle - 8; y <= middle + 8; y++) {
      for (let x = middle - 8; x <= middle + 8; x++) point[at(x, y)] = 255;
    }
    const blurred = blur(point, 2);
    // Half of the Gaussian lies on each side of the square's edge, which runs between two pixels.
    expect((blurred[at(middle + 8, middle)]! + blurred[at(middle + 9, middle)]!) / 2).toBeCloseTo(127.5, 0);
    expect((blurred[at(middle, middle + 8)]! + blurred[at(middle, middle + 9)]!) / 2).toBeCloseTo(127.5, 0);
    expect(blurred[at(middle, middle)]).toBe(255);
    expect(blurred[at(middle, middle) + 1]).toBe(0);
  });
});

function tilesOf(picture: Uint8Array): readonly string[] {
  const side = PICTURE_SIDE / 4;
  return Array.from({ length: 16 }, (_, tile) => {
    const values: number[] = [];
    for (let y = 0; y < side; y++) {
      const row = Math.floor(tile / 4) * side + y;
      const start = 3 * (row * PICTURE_SIDE + (tile % 4) * side);
      values.push(...picture.subarray(start, start + 3 * side));
    }
    return values.join();
  });
}
