import { HimplosError } from '../errors.ts';
import type { Preprocessing } from './preprocessing.ts';
import type { Region, Size } from './resize.ts';

/** Where an image's pixels go. */
export interface Geometry {
  /** Size of the whole image after the resize (its own size where there is none). */
  readonly resized: Size;
  /** The part of the resized image that survives the crop. */
  readonly region: Region;
  /** Size of the classifier's input. */
  readonly output: Size;
  /** Rows of zeros above the region in the output; the rest of the difference is below. */
  readonly padTop: number;
  /** Columns of zeros left of it. */
  readonly padLeft: number;
}

/** The largest side of a classifier's input, in pixels. */
export const MAX_OUTPUT_SIDE = 4096;

/**
 * torchvision's sizes and offsets. `Resize(s)`: the shorter side to s, the longer to ⌊s·long/short⌋.
 * `CenterCrop(c)`: zeros around an image smaller than c, ⌊(c − side)/2⌋ of them before it and the rest after;
 * then the window at round((side − c)/2), halves to even.
 * Throws `bad-input` for an image without pixels, `too-large` when a side of the result is over MAX_OUTPUT_SIDE.
 */
export function planGeometry(preprocessing: Preprocessing, width: number, height: number): Geometry {
  if (!isCount(width) || !isCount(height)) {
    throw new HimplosError(
      'bad-input',
      `image size: expected whole numbers from 1, got ${width} × ${height}`,
    );
  }
  const { crop } = preprocessing;
  const resized = resizedSize(preprocessing, width, height);
  const across = cropAxis(resized.width, crop);
  const down = cropAxis(resized.height, crop);
  const output = { width: crop ?? resized.width, height: crop ?? resized.height };
  if (Math.max(output.width, output.height) > MAX_OUTPUT_SIDE) {
    throw new HimplosError(
      'too-large',
      `a ${width} × ${height} image becomes a ${output.width} × ${output.height} input: expected sides of at most ${MAX_OUTPUT_SIDE}`,
      { hint: 'give --resize or --crop as the classifier was trained with' },
    );
  }
  return {
    resized,
    region: { left: across.start, top: down.start, width: across.length, height: down.length },
    output,
    padTop: down.padding,
    padLeft: across.padding,
  };
}

function resizedSize({ resize }: Preprocessing, width: number, height: number): Size {
  if (resize === null) return { width, height };
  if ('width' in resize) return { width: resize.width, height: resize.height };
  const { shorter } = resize;
  return width <= height
    ? { width: shorter, height: Math.floor((shorter * height) / width) }
    : { width: Math.floor((shorter * width) / height), height: shorter };
}

function cropAxis(side: number, crop: number | null): { start: number; length: number; padding: number } {
  if (crop === null) return { start: 0, length: side, padding: 0 };
  if (side <= crop) return { start: 0, length: side, padding: Math.floor((crop - side) / 2) };
  return { start: roundHalfToEven((side - crop) / 2), length: crop, padding: 0 };
}

/** Python's round() of a number of halves. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}
