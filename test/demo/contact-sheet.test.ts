import { describe, expect, it } from 'vitest';
import { drawContactSheet, type Tile } from '../../demo/contact-sheet.ts';
import { PICTURE_SIDE } from '../../demo/drawing/painter.ts';

const blue = new Uint8Array(PICTURE_SIDE * PICTURE_SIDE * 3).map((_, i) => (i % 3 === 2 ? 255 : 0));
const tile = (isAccepted: boolean): Tile => ({ picture: blue, isAccepted, captions: ['', ''] });

describe('a contact sheet', () => {
  it('has twelve tiles to a row, each as large as twice its picture', () => {
    const count = (tiles: number) => countBlue(sheetOf(Array.from({ length: tiles }, () => tile(true))));
    expect(count(1)).toBe((2 * PICTURE_SIDE) ** 2);
    expect(count(30)).toBe(30 * (2 * PICTURE_SIDE) ** 2);
    const heights = [12, 13, 24, 25].map(
      (tiles) => sheetOf(Array.from({ length: tiles }, () => tile(true))).height,
    );
    expect(heights[1]).toBe(heights[2]);
    expect(heights[1]! - heights[0]!).toBe(heights[3]! - heights[2]!);
    expect(heights[1]).toBeGreaterThan(heights[0]!);
  });

  it('frames what is accepted in green and what is refused in red', () => {
    expect(frameColor(sheetOf([tile(true)]))).toBe('green');
    expect(frameColor(sheetOf([tile(false)]))).toBe('red');
  });

  it('writes titles and captions', () => {
    const plain = sheetOf([tile(true)]);
    const titled = drawContactSheet('title', [{ title: '', tiles: [tile(true)] }]);
    const captioned = sheetOf([{ ...tile(true), captions: ['house', '7.42'] }]);
    expect(countDark(plain)).toBe(0);
    expect(countDark(titled)).toBeGreaterThan(100);
    expect(countDark(captioned)).toBeGreaterThan(50);
    expect(titled.height).toBe(plain.height);
  });

  it('cuts a caption that would run into the next tile', () => {
    const sheet = (name: string) => sheetOf([{ ...tile(true), captions: [name, ''] }]).pixels;
    expect(sheet('abcdefghijkl')).toEqual(sheet('abcdefghi'));
  });
});

type Sheet = ReturnType<typeof drawContactSheet>;

function sheetOf(tiles: readonly Tile[]): Sheet {
  const sheet = drawContactSheet('', [{ title: '', tiles }]);
  expect(sheet.pixels.length).toBe(sheet.width * sheet.height * 3);
  return sheet;
}

function colorsOf({ pixels }: Sheet): (readonly [number, number, number])[] {
  return Array.from({ length: pixels.length / 3 }, (_, i) => [
    pixels[3 * i]!,
    pixels[3 * i + 1]!,
    pixels[3 * i + 2]!,
  ]);
}

function countBlue(sheet: Sheet): number {
  return colorsOf(sheet).filter(([red, green, blue]) => red === 0 && green === 0 && blue === 255).length;
}

function countDark(sheet: Sheet): number {
  return colorsOf(sheet).filter(([red, green, blue]) => Math.max(red, green, blue) < 80).length;
}

/** The channel that leads in the pixel to the left of the first picture. */
function frameColor(sheet: Sheet): 'red' | 'green' {
  const colors = colorsOf(sheet);
  const first = colors.findIndex(([red, green, blue]) => red === 0 && green === 0 && blue === 255);
  const [red, green] = colors[first - 1]!;
  return red > green ? 'red' : 'green';
}
