import { anyBright, black, brown, type Color, darker, hsv, lighter, near, orange, white } from './colors.ts';
import type { DrawThing } from './known-things.ts';
import type { Painter } from './painter.ts';
import type { Random } from './random.ts';
import {
  box,
  circle,
  edge,
  ellipse,
  intersection,
  polygon,
  stroke,
  turned,
  union,
  without,
} from './shapes.ts';

/** Drawn as the known things are, but the classifier never saw one. */
export const unseenThings: Readonly<Record<string, DrawThing>> = {
  apple,
  balloon,
  cactus,
  cat,
  glasses,
  'ice-cream': iceCream,
  key,
  rocket,
};

function apple(painter: Painter, random: Random): void {
  const skin = hsv(random.pick([0, 0.02, 0.16, 0.27]), random.between(0.7, 0.9), random.between(0.7, 0.95));
  painter.fill(stroke(0.05, [0, -0.4], [0.1, -0.85]), brown);
  painter.fill(union(ellipse(-0.27, 0.15, 0.5, 0.62), ellipse(0.27, 0.15, 0.5, 0.62)), skin);
  painter.fill(turned(ellipse(0.36, -0.65, 0.26, 0.12), -0.4, 0.36, -0.65), hsv(0.3, 0.7, 0.6));
  painter.outline(0, black);
  painter.fill(turned(ellipse(-0.42, -0.08, 0.1, 0.2), 0.4, -0.42, -0.08), white, 0.6);
}

function balloon(painter: Painter, random: Random): void {
  const cloth = anyBright(random);
  const second = random.chance(0.5) ? white : anyBright(random);
  for (const side of [-1, 1]) painter.fill(stroke(0.025, [side * 0.4, 0.15], [side * 0.16, 0.66]), brown);
  const bag = union(circle(0, -0.28, 0.66), polygon([-0.6, 0], [0.6, 0], [0.2, 0.44], [-0.2, 0.44]));
  painter.fill(bag, cloth);
  painter.fill(box(0, 0.78, 0.2, 0.15, 0.04), brown);
  painter.outline(0, black);
  painter.fill(without(intersection(bag, ellipse(0, -0.2, 0.45, 1)), ellipse(0, -0.2, 0.18, 1)), second);
}

function cactus(painter: Painter, random: Random): void {
  const green = hsv(random.between(0.28, 0.4), 0.65, random.between(0.42, 0.65));
  const left = random.between(-0.15, 0.1);
  const right = random.between(-0.3, 0);
  painter.fill(
    union(
      stroke(0.2, [0, -0.68], [0, 0.6]),
      stroke(0.13, [0, left + 0.35], [-0.52, left + 0.35], [-0.52, left - 0.15]),
      stroke(0.13, [0, right + 0.4], [0.52, right + 0.4], [0.52, right - 0.15]),
    ),
    green,
  );
  painter.fill(polygon([-0.42, 0.5], [0.42, 0.5], [0.3, 0.95], [-0.3, 0.95]), near(random, [190, 96, 60]));
  painter.outline(0, black);
  for (const x of [-0.08, 0.08]) painter.fill(stroke(0.018, [x, -0.65], [x, 0.42]), darker(green, 0.35));
}

function cat(painter: Painter, random: Random): void {
  const fur: Color = random.pick([orange, [120, 115, 118], [60, 55, 60], [222, 200, 168], [150, 105, 70]]);
  const coat = near(random, fur, 15);
  for (const side of [-1, 1]) {
    painter.fill(polygon([side * 0.72, -0.9], [side * 0.75, -0.1], [side * 0.15, -0.45]), coat);
  }
  painter.fill(ellipse(0, 0.1, 0.8, 0.68), coat);
  painter.outline(0, black);
  const eyes = hsv(random.between(0.15, 0.4), 0.7, 0.9);
  for (const side of [-1, 1]) {
    painter.fill(polygon([side * 0.62, -0.7], [side * 0.62, -0.35], [side * 0.35, -0.45]), [235, 160, 165]);
    painter.fill(ellipse(side * 0.32, -0.02, 0.15, 0.16), eyes);
    painter.fill(ellipse(side * 0.32, -0.02, 0.055, 0.14), black);
    for (const y of [0.28, 0.42]) {
      painter.fill(stroke(0.018, [side * 0.25, 0.3], [side * 0.9, y - 0.05]), lighter(coat, 0.75));
    }
  }
  painter.fill(polygon([-0.1, 0.2], [0.1, 0.2], [0, 0.32]), [225, 120, 130]);
  painter.fill(stroke(0.022, [-0.2, 0.38], [0, 0.46], [0.2, 0.38]), black);
}

function glasses(painter: Painter, random: Random): void {
  const frame = random.chance(0.5) ? black : anyBright(random);
  const isRound = random.chance(0.5);
  for (const side of [-1, 1]) {
    const lens = isRound ? circle(side * 0.47, 0, 0.34) : box(side * 0.47, 0, 0.37, 0.27, 0.1);
    painter.fill(lens, [205, 232, 245], 0.55);
    painter.fill(edge(lens, 0.06), frame);
    painter.fill(stroke(0.05, [side * 0.82, -0.1], [side * 0.96, -0.3]), frame);
  }
  painter.fill(stroke(0.05, [-0.13, -0.06], [0, -0.12], [0.13, -0.06]), frame);
}

function iceCream(painter: Painter, random: Random): void {
  painter.fill(polygon([-0.36, 0.05], [0.36, 0.05], [0, 0.95]), [222, 168, 98]);
  const scoops: readonly (readonly [number, number])[] = random.chance(0.5)
    ? [
        [-0.22, -0.12],
        [0.22, -0.12],
        [0, -0.48],
      ]
    : [[0, -0.15]];
  for (const [x, y] of scoops) {
    painter.fill(circle(x, y, scoops.length === 1 ? 0.46 : 0.32), lighter(anyBright(random), 0.4));
  }
  painter.outline(0, black);
  for (const x of [-0.2, 0, 0.2]) {
    painter.fill(stroke(0.018, [x - 0.1, 0.2], [x * 0.3 + 0.08, 0.6]), [170, 115, 60]);
  }
}

function key(painter: Painter, random: Random): void {
  const metal = random.chance(0.6) ? near(random, [225, 180, 70], 20) : near(random, [165, 170, 180], 15);
  const teeth = random.whole(2, 3);
  const parts = [edge(circle(-0.58, 0, 0.28), 0.1), stroke(0.08, [-0.25, 0], [0.9, 0])];
  for (let i = 0; i < teeth; i++) {
    parts.push(box(0.82 - 0.24 * i, 0.18, 0.07, random.between(0.14, 0.24)));
  }
  painter.fill(union(...parts), metal);
}

function rocket(painter: Painter, random: Random): void {
  const body = random.chance(0.5) ? near(random, white, 8) : lighter(anyBright(random), 0.5);
  const trim = anyBright(random);
  painter.fill(polygon([-0.16, 0.55], [0.16, 0.55], [0, random.between(0.85, 0.98)]), orange);
  for (const side of [-1, 1]) {
    painter.fill(polygon([side * 0.2, 0.1], [side * 0.58, 0.68], [side * 0.18, 0.52]), trim);
  }
  const hull = ellipse(0, -0.15, 0.32, 0.8);
  painter.fill(intersection(hull, box(0, -0.2, 1, 0.75)), body);
  painter.outline(0, black);
  painter.fill(intersection(hull, box(0, -0.85, 1, 0.33)), trim);
  painter.fill(circle(0, -0.18, 0.15), darker(trim));
  painter.fill(circle(0, -0.18, 0.1), [170, 215, 240]);
}
