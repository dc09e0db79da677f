import { anyBright, black, type Color, darker, hsv, lighter, mix } from './colors.ts';
import type { DrawThing } from './known-things.ts';
import { createPainter, type Painter, type Picture, wholePicture } from './painter.ts';
import type { Random } from './random.ts';

/** One thing before a background, somewhere, of some size, a little turned, and a grain as a camera's. */
export function drawScene(drawThing: DrawThing, random: Random): Picture {
  const painter = createPainter();
  drawBackground(painter, random);
  const scale = random.between(0.6, 0.88);
  painter.place({
    x: random.between(-1, 1) * (0.95 - scale),
    y: random.between(-1, 1) * (0.95 - scale),
    scale,
    angle: random.between(-0.3, 0.3),
    isMirrored: random.chance(0.5),
  });
  painter.outline(random.chance(0.5) ? random.between(0.03, 0.06) : 0, black);
  drawThing(painter, random);
  addGrain(painter, random);
  return painter.finish();
}

/** A plain colour, a gradient, or sky above ground. */
export function drawBackground(painter: Painter, random: Random): void {
  const isDark = random.chance(0.2);
  const tone = (color: Color) =>
    isDark ? darker(color, random.between(0.55, 0.75)) : lighter(color, random.between(0.4, 0.75));
  const first = tone(anyBright(random));
  const kind = random.pick(['plain', 'gradient', 'ground'] as const);
  if (kind === 'plain') {
    painter.cover(() => first);
  } else if (kind === 'gradient') {
    const second = tone(anyBright(random));
    const angle = random.between(0, 2 * Math.PI);
    const across = Math.cos(angle) / 2.8;
    const down = Math.sin(angle) / 2.8;
    painter.cover((x, y) => mix(first, second, 0.5 + across * x + down * y));
  } else {
    const sky = tone(hsv(random.between(0.5, 0.62), 0.6, 0.9));
    const ground = isDark
      ? darker(first, 0.2)
      : hsv(random.between(0.08, 0.36), random.between(0.3, 0.55), random.between(0.6, 0.85));
    const horizon = random.between(0.1, 0.6);
    const slope = random.between(-0.15, 0.15);
    painter.cover((x, y) => (y < horizon + slope * x ? mix(sky, [255, 255, 255], 0.15 * (y + 1)) : ground));
  }
}

/** Brightness of the whole picture and noise on every channel of every pixel. */
export function addGrain(painter: Painter, random: Random): void {
  const brightness = random.between(-14, 14);
  const grain = random.between(0, 9);
  painter.place(wholePicture);
  painter.disturb(() => brightness + grain * random.normal());
}
