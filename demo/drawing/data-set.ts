import { knownThings } from './known-things.ts';
import type { Picture } from './painter.ts';
import { createRandom } from './random.ts';
import { drawScene } from './scene.ts';
import { unknownSets } from './unknown-sets.ts';

/**
 * Which part of the drawings a picture belongs to. No picture stands in two: the seed of each is its split, class
 * and number.
 * `train`: what the network learns from; `validation`: what its training script measures accuracy on; the other
 * two are for calibrating and evaluating a detector.
 */
export type Split = 'train' | 'validation' | 'calibration' | 'test';

/** Names of the classes in the order of the network's logits. */
export const classNames: readonly string[] = Object.keys(knownThings);

/** Names of the sets of pictures that belong to no class. */
export const unknownSetNames: readonly string[] = Object.keys(unknownSets);

/** A picture and the path it gets in its set's folder, such as `house/007.png`. */
export interface NamedPicture {
  readonly path: string;
  readonly picture: Picture;
}

/** The pictures of one split, class after class. */
export function* drawKnown(split: Split, perClass: number): Generator<NamedPicture> {
  for (const [name, drawThing] of Object.entries(knownThings)) {
    for (let i = 0; i < perClass; i++) {
      const picture = drawScene(drawThing, createRandom(`${split}/${name}/${i}`));
      yield { path: `${name}/${number(i)}.png`, picture };
    }
  }
}

/** The first pictures of one set that belongs to no class. `set` is one of {@link unknownSetNames}. */
export function* drawUnknown(set: string, count: number): Generator<NamedPicture> {
  for (let i = 0; i < count; i++) {
    const { kind, picture } = unknownSets[set]!(createRandom(`unknown/${set}/${i}`), i);
    yield { path: `${number(i)}-${kind}.png`, picture };
  }
}

function number(index: number): string {
  return String(index).padStart(3, '0');
}
