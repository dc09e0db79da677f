import { HimplosError } from '../errors.ts';
import { MAX_OUTPUT_SIDE } from './geometry.ts';
import type { Preprocessing } from './preprocessing.ts';

/**
 * `256`: the shorter side; `224x256`: height and width, in torchvision's order; `none`: no resize.
 * Throws `bad-usage` for anything else.
 */
export function parseResize(text: string): Preprocessing['resize'] {
  if (text === 'none') return null;
  const sides = text.split('x').map(parseSide);
  const [first, second] = sides;
  if (first !== undefined && sides.length === 1) return { shorter: first };
  if (first !== undefined && second !== undefined && sides.length === 2) {
    return { height: first, width: second };
  }
  throw badUsage('--resize', `SHORTER or HEIGHTxWIDTH, sides 1 to ${MAX_OUTPUT_SIDE}, or none`, text, '256');
}

/** `224`: a centre crop to 224 × 224; `none`: no crop. Throws `bad-usage` for anything else. */
export function parseCrop(text: string): Preprocessing['crop'] {
  if (text === 'none') return null;
  const side = parseSide(text);
  if (side !== undefined) return side;
  throw badUsage('--crop', `a side from 1 to ${MAX_OUTPUT_SIDE}, or none`, text, '224');
}

/** Three finite numbers, `0.485,0.456,0.406`: R, G, B on the scale of 0 to 1. Throws `bad-usage` otherwise. */
export function parseMean(text: string): Preprocessing['mean'] {
  const mean = parseTriple(text);
  if (mean?.every((value) => Math.abs(value) <= 1e6)) return mean;
  throw badUsage('--mean', 'three numbers R,G,B on the scale of 0 to 1', text, '0.485,0.456,0.406');
}

/** Three positive numbers, `0.229,0.224,0.225`: R, G, B. Throws `bad-usage` otherwise. */
export function parseStd(text: string): Preprocessing['std'] {
  const std = parseTriple(text);
  if (std?.every((value) => value >= 1e-6 && value <= 1e6)) return std;
  throw badUsage('--std', 'three numbers R,G,B above 0', text, '0.229,0.224,0.225');
}

function parseSide(text: string): number | undefined {
  const side = Number(text);
  return /^[1-9]\d{0,4}$/.test(text) && side <= MAX_OUTPUT_SIDE ? side : undefined;
}

function parseTriple(text: string): [number, number, number] | undefined {
  const [r, g, b, ...rest] = text.split(',').map((part) => part.trim());
  if (r === undefined || g === undefined || b === undefined || rest.length > 0) return undefined;
  if (![r, g, b].every((part) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(part))) return undefined;
  return [Number(r), Number(g), Number(b)];
}

function badUsage(option: string, expected: string, got: string, example: string): HimplosError {
  return new HimplosError(
    'bad-usage',
    `${option}: expected ${expected}, got ${JSON.stringify(got.slice(0, 100))}`,
    { hint: `for example ${option} ${example}` },
  );
}
