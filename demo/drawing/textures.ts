import { anyBright, type Color, lighter, mix } from './colors.ts';
import { createPainter, type Picture } from './painter.ts';
import type { Random } from './random.ts';
import { addGrain } from './scene.ts';

/** How much of the second of two colours stands at a point, 0 to 1. */
type Pattern = (x: number, y: number) => number;

/** Patterns that fill the whole picture: there is no thing to see. */
export const textures: Readonly<Record<string, (random: Random) => Pattern>> = {
  bricks,
  checks,
  dots,
  marble,
  rings,
  stripes,
  waves,
};

/** A texture in two colours, turned by any angle, with the grain that all drawings have. */
export function drawTexture(name: string, random: Random): Picture {
  const first = random.chance(0.5) ? lighter(anyBright(random), 0.5) : anyBright(random);
  const second: Color = anyBright(random);
  const pattern = textures[name]!(random);
  const angle = random.between(0, 2 * Math.PI);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const painter = createPainter();
  painter.cover((x, y) => mix(first, second, pattern(cos * x + sin * y, cos * y - sin * x)));
  addGrain(painter, random);
  return painter.finish();
}

function bricks(random: Random): Pattern {
  const height = random.between(0.3, 0.5);
  const joint = random.between(0.04, 0.07);
  return (x, y) => {
    const row = Math.floor(y / height);
    const along = x / (2 * height) + (row % 2) / 2;
    const fromJoint = Math.min(remainder(y, height), 2 * height * (along - Math.floor(along)));
    return soft(fromJoint - joint);
  };
}

function checks(random: Random): Pattern {
  const size = random.between(4, 9);
  return (x, y) => soft((Math.sin(size * x) * Math.sin(size * y)) / size);
}

function dots(random: Random): Pattern {
  const period = random.between(0.3, 0.55);
  const radius = period * random.between(0.22, 0.4);
  return (x, y) => {
    const dx = remainder(x, period) - period / 2;
    const dy = remainder(y, period) - period / 2;
    return soft(radius - Math.sqrt(dx * dx + dy * dy));
  };
}

/** Stripes that waver with a sum of slow waves. */
function marble(random: Random): Pattern {
  const bends = Array.from({ length: 5 }, () => ({
    x: random.between(-5, 5),
    y: random.between(-5, 5),
    phase: random.between(0, 2 * Math.PI),
  }));
  const size = random.between(3, 6);
  return (x, y) => {
    let bend = 0;
    for (const wave of bends) bend += Math.sin(wave.x * x + wave.y * y + wave.phase);
    return 0.5 + 0.5 * Math.sin(size * x + 1.4 * bend);
  };
}

function rings(random: Random): Pattern {
  const size = random.between(9, 20);
  const [cx, cy] = [random.between(-0.6, 0.6), random.between(-0.6, 0.6)];
  return (x, y) => soft(Math.sin(size * Math.sqrt((x - cx) ** 2 + (y - cy) ** 2)) / size);
}

function stripes(random: Random): Pattern {
  const size = random.between(7, 20);
  return (x) => soft(Math.sin(size * x) / size);
}

function waves(random: Random): Pattern {
  const size = random.between(7, 14);
  const height = random.between(0.08, 0.2);
  const length = random.between(5, 10);
  return (x, y) => soft(Math.sin(size * (y + height * Math.sin(length * x))) / size);
}

/** From 0 to 1 within about a pixel around 0. */
function soft(distance: number): number {
  return Math.min(1, Math.max(0, 0.5 + 24 * distance));
}

function remainder(value: number, period: number): number {
  return value - period * Math.floor(value / period);
}
