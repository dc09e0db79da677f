import { anyBright, type Color } from './colors.ts';
import { blendPictures, blur, shuffleTiles } from './filters.ts';
import { knownThings } from './known-things.ts';
import { createPainter, type Picture } from './painter.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH, glyphDots } from './pixel-font.ts';
import type { Random } from './random.ts';
import { addGrain, drawBackground, drawScene } from './scene.ts';
import { box, union } from './shapes.ts';
import { drawTexture, textures } from './textures.ts';
import { unseenThings } from './unseen-things.ts';

/** A picture and a word for what is on it. */
export interface UnknownPicture {
  readonly kind: string;
  readonly picture: Picture;
}

/**
 * Pictures on which the classifier should not answer, each set for another reason. The kinds of a set take turns by
 * the picture's number.
 */
export const unknownSets: Readonly<Record<string, (random: Random, index: number) => UnknownPicture>> = {
  /** Known things, hardly to be made out. */
  blurred(random, index) {
    const kind = turn(known, index);
    return { kind, picture: blur(drawScene(knownThings[kind]!, random), random.between(3, 5)) };
  },
  /** Two known things at once, half transparent. */
  mixed(random) {
    const first = random.pick(known);
    const second = random.pick(known.filter((name) => name !== first));
    const pictures = [first, second].map((name) => drawScene(knownThings[name]!, random));
    const share = random.between(0.4, 0.6);
    return { kind: `${first}-${second}`, picture: blendPictures(pictures[0]!, pictures[1]!, share) };
  },
  noise(random, index) {
    const kind = turn(Object.keys(noises), index);
    return { kind, picture: noises[kind]!(random) };
  },
  /** The parts of a known thing in the wrong places. */
  shuffled(random, index) {
    const kind = turn(known, index);
    return { kind, picture: shuffleTiles(drawScene(knownThings[kind]!, random), 4, random) };
  },
  text(random) {
    return { kind: 'text', picture: drawText(random) };
  },
  textures(random, index) {
    const kind = turn(Object.keys(textures), index);
    return { kind, picture: drawTexture(kind, random) };
  },
  /** Things of other classes, drawn in the same manner. */
  unseen(random, index) {
    const kind = turn(Object.keys(unseenThings), index);
    return { kind, picture: drawScene(unseenThings[kind]!, random) };
  },
};

const known = Object.keys(knownThings);

function turn(kinds: readonly string[], index: number): string {
  return kinds[index % kinds.length]!;
}

const noises: Readonly<Record<string, (random: Random) => Picture>> = {
  clouds: (random) =>
    blur(
      fillWith(() => 128 + 900 * (random.next() - 0.5)),
      random.between(1, 2),
    ),
  gaussian(random) {
    const spread = random.between(30, 80);
    return fillWith(() => 128 + spread * random.normal());
  },
  specks(random) {
    const color = anyBright(random);
    const share = random.between(0.15, 0.4);
    return fillPixels(() =>
      random.chance(share)
        ? random.pick([
            [0, 0, 0],
            [255, 255, 255],
          ] as const)
        : color,
    );
  },
  uniform: (random) => fillWith(() => 256 * random.next()),
};

function fillWith(value: () => number): Picture {
  return fillPixels(() => [value(), value(), value()]);
}

function fillPixels(color: () => Color): Picture {
  const painter = createPainter();
  painter.cover(color);
  return painter.finish();
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789?!&%+';

function drawText(random: Random): Picture {
  const painter = createPainter();
  drawBackground(painter, random);
  painter.place({ x: 0, y: 0, scale: 1, angle: random.between(-0.3, 0.3), isMirrored: false });
  const lines = random.whole(2, 3);
  const columns = random.whole(3, 4);
  const dot = random.between(1.5, 1.8) / Math.max(columns * (GLYPH_WIDTH + 1), lines * (GLYPH_HEIGHT + 2));
  const ink = anyBright(random);
  const isColorful = random.chance(0.3);
  for (let line = 0; line < lines; line++) {
    for (let column = 0; column < columns; column++) {
      const left = (column - columns / 2) * (GLYPH_WIDTH + 1);
      const top = (line - lines / 2) * (GLYPH_HEIGHT + 2);
      const dots = glyphDots(random.pick([...letters]));
      const half = 0.58 * dot; // a little over a half, so that no seam shows between two dots
      const boxes = dots.map(([x, y]) => box((left + x + 1) * dot, (top + y + 1.5) * dot, half, half));
      painter.fill(union(...boxes), isColorful ? anyBright(random) : ink);
    }
  }
  addGrain(painter, random);
  return painter.finish();
}
