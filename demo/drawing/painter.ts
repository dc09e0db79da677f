import type { Color } from './colors.ts';
import type { Shape } from './shapes.ts';

/** Pixels along a side of every picture. */
export const PICTURE_SIDE = 48;

/** PICTURE_SIDE × PICTURE_SIDE × 3 bytes: RGB, row by row. */
export type Picture = Uint8Array;

/** Where a drawing's square from −1 to 1 lands in the picture's own square from −1 to 1. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
  /** Clockwise, in radians. */
  readonly angle: number;
  readonly isMirrored: boolean;
}

export const wholePicture: Placement = { x: 0, y: 0, scale: 1, angle: 0, isMirrored: false };

/** Paints shapes on a picture, one over the other. */
export interface Painter {
  /** Everything painted from now on is placed so. */
  place(placement: Placement): void;
  /** Draws a line of this width and colour around every shape filled from now on; 0 for none. */
  outline(width: number, color: Color): void;
  /** `opacity` from 0 to 1. */
  fill(shape: Shape, color: Color, opacity?: number): void;
  /** Sets each pixel of the picture; x and y as in the picture's own square. */
  cover(colorAt: (x: number, y: number) => Color): void;
  /** Adds to each channel of each pixel what the function gives. */
  disturb(offset: () => number): void;
  /** The picture so far, rounded to bytes. */
  finish(): Picture;
}

const PIXELS = PICTURE_SIDE * PICTURE_SIDE;

const BLOCK = 4;

/**
 * Pixels from a block's middle beyond which a shape leaves it alone: 5.7 are the diagonal, twice what an exact
 * distance needs, because some shapes' distances are too large far from their edge.
 */
const FAR = 8;

/**
 * An edge is smooth: a pixel takes as much of the colour as a straight edge at the shape's distance from its
 * centre would cover.
 */
export function createPainter(): Painter {
  const values = new Float32Array(PIXELS * 3);
  const localX = new Float64Array(PIXELS);
  const localY = new Float64Array(PIXELS);
  let pixelsPerUnit = PICTURE_SIDE / 2;
  let lineWidth = 0;
  let lineColor: Color = [0, 0, 0];

  function place({ x, y, scale, angle, isMirrored }: Placement): void {
    const cos = Math.cos(angle) / scale;
    const sin = Math.sin(angle) / scale;
    pixelsPerUnit = (scale * PICTURE_SIDE) / 2;
    for (let i = 0; i < PIXELS; i++) {
      const dx = centre(i % PICTURE_SIDE) - x;
      const dy = centre(Math.floor(i / PICTURE_SIDE)) - y;
      localX[i] = (cos * dx + sin * dy) * (isMirrored ? -1 : 1);
      localY[i] = cos * dy - sin * dx;
    }
  }

  function blend(i: number, color: Color, distance: number, opacity: number): void {
    const share = opacity * Math.min(1, Math.max(0, 0.5 - distance));
    for (let channel = 0; channel < 3; channel++) {
      values[3 * i + channel]! += (color[channel]! - values[3 * i + channel]!) * share;
    }
  }

  place(wholePicture);
  return {
    place,
    outline(width, color) {
      lineWidth = width;
      lineColor = color;
    },
    fill(shape, color, opacity = 1) {
      for (const block of blocks) {
        const middle = block[block.length >> 1]!;
        if ((shape(localX[middle]!, localY[middle]!) - lineWidth) * pixelsPerUnit > FAR) continue;
        for (const i of block) {
          const distance = shape(localX[i]!, localY[i]!);
          if (lineWidth > 0) blend(i, lineColor, (distance - lineWidth) * pixelsPerUnit, opacity);
          blend(i, color, distance * pixelsPerUnit, opacity);
        }
      }
    },
    cover(colorAt) {
      for (let i = 0; i < PIXELS; i++) {
        values.set(colorAt(centre(i % PICTURE_SIDE), centre(Math.floor(i / PICTURE_SIDE))), 3 * i);
      }
    },
    disturb(offset) {
      for (let i = 0; i < values.length; i++) values[i]! += offset();
    },
    // The clamped array's own conversion rounds and limits to 0 to 255.
    finish: () => new Uint8Array(new Uint8ClampedArray(values).buffer),
  };
}

/** Pixel numbers of squares of BLOCK × BLOCK pixels: most shapes are far from most of them. */
const blocks = Array.from({ length: (PICTURE_SIDE / BLOCK) ** 2 }, (_, b) => {
  const across = PICTURE_SIDE / BLOCK;
  const top = BLOCK * Math.floor(b / across);
  const left = BLOCK * (b % across);
  return Uint16Array.from({ length: BLOCK * BLOCK }, (_, i) => {
    return (top + Math.floor(i / BLOCK)) * PICTURE_SIDE + left + (i % BLOCK);
  });
});

function centre(index: number): number {
  return (2 * index + 1) / PICTURE_SIDE - 1;
}
