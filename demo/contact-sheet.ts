import { PICTURE_SIDE, type Picture } from './drawing/painter.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH, glyphDots } from './drawing/pixel-font.ts';

/** One picture with what became of it. */
export interface Tile {
  readonly picture: Picture;
  /** Decides the colour of the frame: green or red. */
  readonly isAccepted: boolean;
  /** Two short lines below the picture. */
  readonly captions: readonly [string, string];
}

/** Tiles under a title. */
export interface Section {
  readonly title: string;
  readonly tiles: readonly Tile[];
}

export interface ContactSheet {
  readonly width: number;
  readonly height: number;
  /** height × width × 3 bytes, RGB. */
  readonly pixels: Uint8Array;
}

type Rgb = readonly [number, number, number];

const paper: Rgb = [255, 255, 255];
const ink: Rgb = [40, 40, 48];
const green: Rgb = [22, 160, 72];
const red: Rgb = [212, 40, 48];

const COLUMNS = 12;
/** Each pixel of a drawing, and each dot of a glyph, becomes a square of this many. */
const ZOOM = 2;
const FRAME = 5;
const GAP = 8;
const MARGIN = 16;
const LETTER = ZOOM * (GLYPH_WIDTH + 1);
const LINE = ZOOM * (GLYPH_HEIGHT + 2);
const FRAMED = ZOOM * PICTURE_SIDE + 2 * FRAME;
/** From one tile to the next, across and down. */
const TILE_STEP = { x: FRAMED + GAP, y: FRAMED + 2 * LINE + GAP + 4 } as const;
const TITLE_HEIGHT = LINE + GAP;
/** Letters of a caption that fit below a tile; longer ones are cut. */
const CAPTION_LETTERS = Math.floor((FRAMED + GAP) / LETTER);

/**
 * Lays sections out below one another, twelve tiles to a row, as one RGB image. Everything is drawn from pixels
 * here, letters too, because a bare container has no fonts.
 */
export function drawContactSheet(title: string, sections: readonly Section[]): ContactSheet {
  const width = 2 * MARGIN + COLUMNS * TILE_STEP.x - GAP;
  const height = 2 * MARGIN + TITLE_HEIGHT + sections.reduce((sum, section) => sum + heightOf(section), 0);
  const pixels = new Uint8Array(width * height * 3).fill(paper[0]);
  const sheet = { width, height, pixels };
  drawText(sheet, MARGIN, MARGIN, title, ink);
  let top = MARGIN + TITLE_HEIGHT;
  for (const section of sections) {
    drawText(sheet, MARGIN, top + GAP, section.title, ink);
    for (const [i, tile] of section.tiles.entries()) {
      const left = MARGIN + (i % COLUMNS) * TILE_STEP.x;
      drawTile(sheet, left, top + GAP + TITLE_HEIGHT + Math.floor(i / COLUMNS) * TILE_STEP.y, tile);
    }
    top += heightOf(section);
  }
  return sheet;
}

function heightOf({ tiles }: Section): number {
  return GAP + TITLE_HEIGHT + Math.ceil(tiles.length / COLUMNS) * TILE_STEP.y;
}

function drawTile(sheet: ContactSheet, left: number, top: number, tile: Tile): void {
  const color = tile.isAccepted ? green : red;
  fillRectangle(sheet, left, top, FRAMED, FRAMED, color);
  const inside = { x: left + FRAME, y: top + FRAME };
  for (let i = 0; i < PICTURE_SIDE * PICTURE_SIDE; i++) {
    const x = inside.x + ZOOM * (i % PICTURE_SIDE);
    const y = inside.y + ZOOM * Math.floor(i / PICTURE_SIDE);
    const [red, green, blue] = tile.picture.subarray(3 * i, 3 * i + 3);
    fillRectangle(sheet, x, y, ZOOM, ZOOM, [red!, green!, blue!]);
  }
  for (const [line, caption] of tile.captions.entries()) {
    const y = top + FRAMED + 4 + line * LINE;
    drawText(sheet, left, y, caption.slice(0, CAPTION_LETTERS), line === 0 ? color : ink);
  }
}

function drawText(sheet: ContactSheet, left: number, top: number, text: string, color: Rgb): void {
  for (const [i, character] of [...text].entries()) {
    for (const [column, row] of glyphDots(character)) {
      fillRectangle(sheet, left + i * LETTER + ZOOM * column, top + ZOOM * row, ZOOM, ZOOM, color);
    }
  }
}

function fillRectangle(
  sheet: ContactSheet,
  left: number,
  top: number,
  width: number,
  height: number,
  color: Rgb,
): void {
  for (let y = top; y < Math.min(top + height, sheet.height); y++) {
    for (let x = left; x < Math.min(left + width, sheet.width); x++) {
      sheet.pixels.set(color, 3 * (y * sheet.width + x));
    }
  }
}
