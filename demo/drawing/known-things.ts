import {
  anyBright,
  black,
  brown,
  type Color,
  darker,
  hsv,
  lighter,
  near,
  orange,
  white,
  yellow,
} from './colors.ts';
import type { Painter } from './painter.ts';
import type { Random } from './random.ts';
import {
  above,
  below,
  box,
  circle,
  edge,
  ellipse,
  intersection,
  type Point,
  polygon,
  star,
  stroke,
  turned,
  union,
  without,
} from './shapes.ts';

/** Draws one thing, differently each time, into the square from −1 to 1. */
export type DrawThing = (painter: Painter, random: Random) => void;

/** What the classifier knows, in the order of its logits: alphabetical. */
export const knownThings: Readonly<Record<string, DrawThing>> = {
  boat,
  butterfly,
  car,
  cup,
  fish,
  flower,
  house,
  mushroom,
  snowman,
  star: drawStar,
  tree,
  umbrella,
};

function boat(painter: Painter, random: Random): void {
  const sail = random.chance(0.5) ? near(random, white, 8) : anyBright(random);
  const mast = random.between(-0.1, 0.15);
  painter.fill(stroke(0.035, [mast, 0.4], [mast, -0.9]), brown);
  painter.fill(
    polygon([mast + 0.08, -0.85], [mast + 0.08, 0.28], [mast + random.between(0.5, 0.75), 0.28]),
    sail,
  );
  if (random.chance(0.75)) {
    painter.fill(
      polygon([mast - 0.08, -0.65], [mast - 0.08, 0.28], [mast - random.between(0.4, 0.65), 0.28]),
      random.chance(0.5) ? sail : anyBright(random),
    );
  }
  const bow = random.between(0.75, 0.95);
  painter.fill(polygon([-0.85, 0.42], [bow, 0.42], [bow - 0.35, 0.85], [-0.55, 0.85]), anyBright(random));
}

function butterfly(painter: Painter, random: Random): void {
  const wing = anyBright(random);
  const spots = random.chance(0.5) ? lighter(wing, 0.6) : anyBright(random);
  const spread = random.between(0.4, 0.5);
  for (const side of [-1, 1]) {
    painter.fill(turned(ellipse(side * spread, -0.32, 0.46, 0.36), -side * 0.6, side * spread, -0.32), wing);
    painter.fill(
      turned(ellipse(side * spread * 0.8, 0.38, 0.34, 0.28), side * 0.6, side * spread * 0.8, 0.38),
      wing,
    );
  }
  painter.outline(0, black);
  for (const side of [-1, 1]) {
    painter.fill(circle(side * (spread + 0.05), -0.36, random.between(0.14, 0.2)), spots);
    painter.fill(circle(side * spread * 0.8, 0.38, 0.11), spots);
    painter.fill(stroke(0.025, [0, -0.5], [side * 0.12, -0.75], [side * 0.24, -0.88]), black);
  }
  painter.fill(stroke(0.085, [0, -0.48], [0, 0.55]), black);
}

function car(painter: Painter, random: Random): void {
  const paint = anyBright(random);
  const roof = random.between(-0.5, -0.35);
  const back = random.between(-0.75, -0.55);
  const front = random.between(0.4, 0.55);
  painter.fill(polygon([back, 0.05], [back + 0.2, roof], [front - 0.28, roof], [front, 0.05]), paint);
  painter.fill(box(0, 0.2, 0.92, 0.23, 0.12), paint);
  const glass: Color = [196, 226, 240];
  const middle = (back + front) / 2 - 0.04;
  painter.outline(0, black);
  painter.fill(
    polygon([back + 0.12, 0.0], [back + 0.25, roof + 0.1], [middle - 0.04, roof + 0.1], [middle - 0.04, 0]),
    glass,
  );
  painter.fill(
    polygon([middle + 0.04, 0], [middle + 0.04, roof + 0.1], [front - 0.32, roof + 0.1], [front - 0.12, 0]),
    glass,
  );
  painter.fill(circle(0.84, 0.16, 0.07), yellow);
  for (const wheel of [-0.52, 0.52]) {
    painter.fill(circle(wheel, 0.44, 0.23), black);
    painter.fill(circle(wheel, 0.44, 0.1), [190, 190, 195]);
  }
}

function cup(painter: Painter, random: Random): void {
  const china = random.chance(0.3) ? near(random, white, 8) : anyBright(random);
  const bottom = random.between(0.3, 0.5);
  painter.fill(edge(ellipse(0.52, 0.12, 0.26, 0.27), 0.065), china);
  painter.fill(polygon([-0.62, -0.3], [0.55, -0.3], [bottom, 0.72], [-bottom - 0.07, 0.72]), china);
  painter.fill(ellipse(-0.035, -0.3, 0.585, 0.14), lighter(china, 0.3));
  painter.outline(0, black);
  painter.fill(ellipse(-0.035, -0.28, 0.48, 0.095), [92, 55, 35]);
  if (random.chance(0.5)) {
    painter.fill(box(-0.04, random.between(0.1, 0.3), bottom + 0.05, 0.07), lighter(china, 0.6));
  }
  if (random.chance(0.7)) {
    for (const x of [-0.25, 0.12]) {
      painter.fill(
        stroke(0.035, [x, -0.5], [x + 0.09, -0.62], [x, -0.75], [x + 0.08, -0.9]),
        [235, 235, 240],
        0.85,
      );
    }
  }
}

function fish(painter: Painter, random: Random): void {
  const scales = anyBright(random);
  const height = random.between(0.36, 0.5);
  const fins = random.chance(0.5) ? darker(scales) : anyBright(random);
  painter.fill(polygon([-0.4, 0], [-0.95, -0.42], [-0.82, 0], [-0.95, 0.42]), fins);
  painter.fill(polygon([-0.15, -height + 0.08], [0.1, -height - 0.28], [0.35, -height + 0.12]), fins);
  painter.fill(ellipse(0.14, 0, 0.68, height), scales);
  painter.outline(0, black);
  const body = ellipse(0.14, 0, 0.64, height - 0.04);
  const stripes = random.whole(0, 3);
  for (let i = 0; i < stripes; i++) {
    painter.fill(intersection(body, box(0.2 - 0.22 * i, 0, 0.05, 1)), fins);
  }
  painter.fill(polygon([0.08, 0.05], [-0.12, 0.28], [0.16, 0.22]), fins);
  painter.fill(circle(0.53, -0.1, 0.1), white);
  painter.fill(circle(0.55, -0.1, 0.055), black);
}

function flower(painter: Painter, random: Random): void {
  const green = hsv(random.between(0.26, 0.38), 0.7, random.between(0.45, 0.65));
  const bend = random.between(-0.12, 0.12);
  painter.fill(stroke(0.05, [0, -0.2], [bend, 0.4], [0, 0.95]), green);
  for (const side of [-1, 1]) {
    if (random.chance(0.8)) {
      const y = random.between(0.5, 0.7);
      painter.fill(
        turned(ellipse(side * 0.25 + bend, y, 0.25, 0.1), -side * 0.5, side * 0.25 + bend, y),
        green,
      );
    }
  }
  const petals = random.whole(5, 8);
  const color = random.chance(0.2) ? white : anyBright(random);
  const start = random.between(0, Math.PI);
  const shapes = Array.from({ length: petals }, (_, i) => {
    const angle = start + (2 * Math.PI * i) / petals;
    return turned(ellipse(0.32, -0.3, 0.25, 1.1 / petals), angle, 0, -0.3);
  });
  painter.fill(union(...shapes), color);
  painter.fill(circle(0, -0.3, 0.17), random.chance(0.7) ? yellow : brown);
}

function house(painter: Painter, random: Random): void {
  const wall = lighter(anyBright(random), random.between(0.45, 0.8));
  const roof = random.chance(0.6) ? near(random, [178, 62, 48], 30) : near(random, [90, 84, 96], 25);
  if (random.chance(0.7)) painter.fill(box(random.pick([-0.4, 0.4]), -0.6, 0.1, 0.25), near(random, brown));
  painter.fill(box(0, 0.35, 0.66, 0.5), wall);
  const peak = random.between(-0.95, -0.75);
  const eaves = random.between(0.78, 0.9);
  painter.fill(polygon([-eaves, -0.12], [0, peak], [eaves, -0.12]), roof);
  const door = random.pick([-0.34, 0, 0.34]);
  painter.outline(0, black);
  painter.fill(box(door, 0.57, 0.15, 0.28), darker(roof, 0.35));
  for (const x of [-0.36, 0.36]) {
    if (Math.abs(x - door) < 0.3) continue;
    painter.fill(box(x, 0.28, 0.17, 0.16), white);
    painter.fill(box(x, 0.28, 0.13, 0.12), [120, 175, 215]);
  }
}

function mushroom(painter: Painter, random: Random): void {
  const cap = random.chance(0.6) ? near(random, [205, 45, 40], 25) : anyBright(random);
  const stem: Color = [240, 228, 205];
  painter.fill(polygon([-0.18, 0], [0.18, 0], [random.between(0.22, 0.34), 0.85], [-0.26, 0.85]), stem);
  const height = random.between(0.72, 0.92);
  const dome = intersection(ellipse(0, 0.1, 0.85, height), above(0.12));
  painter.fill(dome, cap);
  painter.outline(0, black);
  const dots: readonly Point[] = [
    [0, -0.42],
    [-0.45, -0.1],
    [0.43, -0.14],
    [-0.05, -0.02],
    [0.68, 0.02],
    [-0.3, -0.38],
  ];
  for (const [x, y] of dots) {
    const radius = random.between(0.07, 0.14);
    painter.fill(intersection(dome, circle(x + random.between(-0.07, 0.07), y, radius)), white);
  }
}

function snowman(painter: Painter, random: Random): void {
  const snow = near(random, [240, 244, 250], 8);
  painter.fill(circle(0, 0.5, random.between(0.42, 0.48)), snow);
  painter.fill(circle(0, -0.02, random.between(0.3, 0.34)), snow);
  painter.fill(circle(0, -0.42, 0.24), snow);
  const scarf = anyBright(random);
  painter.outline(0, black);
  painter.fill(box(0, -0.22, 0.22, 0.055, 0.04), scarf);
  painter.fill(box(0.14, -0.08, 0.05, 0.14), scarf);
  const hat = random.chance(0.7) ? black : anyBright(random);
  painter.fill(union(box(0, -0.61, 0.3, 0.045), box(0, -0.78, 0.19, 0.19)), hat);
  for (const x of [-0.08, 0.08]) painter.fill(circle(x, -0.46, 0.035), black);
  painter.fill(polygon([0, -0.42], [0.22, -0.36], [0, -0.34]), orange);
  for (const y of [0.06, 0.36, 0.58]) painter.fill(circle(-0.02, y, 0.04), black);
  if (random.chance(0.7)) {
    for (const side of [-1, 1]) {
      painter.fill(stroke(0.03, [side * 0.28, 0], [side * 0.8, random.between(-0.35, 0)]), brown);
    }
  }
}

function drawStar(painter: Painter, random: Random): void {
  const color = random.chance(0.5) ? near(random, yellow) : anyBright(random);
  const inner = random.between(0.36, 0.46);
  painter.fill(star(0, 0, 5, 0.95, inner), color);
  painter.outline(0, black);
  if (random.chance(0.5)) painter.fill(star(0, 0, 5, 0.6, inner * 0.62), lighter(color, 0.35));
}

function tree(painter: Painter, random: Random): void {
  const isAutumn = random.chance(0.25);
  const leaves = hsv(
    isAutumn ? random.between(0.04, 0.12) : random.between(0.24, 0.4),
    0.7,
    random.between(0.4, 0.7),
  );
  painter.fill(box(0, 0.62, random.between(0.08, 0.14), 0.36), near(random, brown));
  if (random.chance(0.5)) {
    for (let i = 0; i < 3; i++) {
      const width = 0.7 - 0.15 * i;
      painter.fill(polygon([-width, 0.5 - 0.42 * i], [0, -0.2 - 0.38 * i], [width, 0.5 - 0.42 * i]), leaves);
    }
    return;
  }
  const crown = union(
    circle(-0.36, random.between(-0.1, 0.1), 0.4),
    circle(0.36, random.between(-0.1, 0.1), 0.4),
    circle(random.between(-0.1, 0.1), -0.42, 0.46),
    circle(0, 0, 0.4),
  );
  painter.fill(crown, leaves);
  painter.outline(0, black);
  if (!random.chance(0.4)) return;
  const fruit = anyBright(random);
  for (let i = 0; i < 5; i++) {
    painter.fill(circle(random.between(-0.5, 0.5), random.between(-0.6, 0.2), 0.07), fruit);
  }
}

function umbrella(painter: Painter, random: Random): void {
  const cloth = anyBright(random);
  const second = random.chance(0.6) ? anyBright(random) : lighter(cloth);
  const hook = without(edge(circle(0.14, 0.72, 0.14), 0.045), above(0.72));
  painter.fill(union(stroke(0.045, [0, -0.85], [0, 0.72]), intersection(hook, below(0.7))), brown);
  const scallops = union(...[-0.57, -0.19, 0.19, 0.57].map((x) => ellipse(x, 0.02, 0.2, 0.14)));
  const dome = without(intersection(ellipse(0, 0, 0.78, random.between(0.7, 0.82)), above(0.02)), scallops);
  painter.fill(dome, cloth);
  painter.outline(0, black);
  painter.fill(intersection(dome, ellipse(0, 0, 0.4, 0.9)), second);
  painter.fill(intersection(dome, ellipse(0, 0, 0.14, 0.9)), cloth);
}
