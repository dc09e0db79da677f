import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { classNames, drawKnown, drawUnknown, unknownSetNames } from '../../demo/drawing/data-set.ts';
import { PICTURE_SIDE, type Picture } from '../../demo/drawing/painter.ts';
import { unseenThings } from '../../demo/drawing/unseen-things.ts';

describe('the pictures of known classes', () => {
  it('are of at least ten classes, in alphabetical order as the logits are', () => {
    expect(classNames.length).toBeGreaterThanOrEqual(10);
    expect([...classNames].sort()).toEqual(classNames);
  });

  it('are the same each time, on every machine', () => {
    const pictures = [...drawKnown('test', 1)];
    expect(pictures.map(({ path }) => path)).toEqual(classNames.map((name) => `${name}/000.png`));
    expect(digestOf(pictures)).toBe('156de5d0873c3207');
  });

  it('differ from each other within a class and between splits', () => {
    const digests = (['train', 'validation', 'calibration', 'test'] as const).flatMap((split) =>
      [...drawKnown(split, 3)].map(({ picture }) => digestOf([{ picture }])),
    );
    expect(new Set(digests).size).toBe(4 * 3 * classNames.length);
  });
});

describe('the pictures of no class', () => {
  it('are of at least five sets', () => {
    expect(unknownSetNames.length).toBeGreaterThanOrEqual(5);
  });

  it.each([
    ['blurred', 'ebd11e8a3363bb71'],
    ['mixed', '4c60b6c336c667e8'],
    ['noise', 'f39151cba6f16414'],
    ['shuffled', 'db6b85e92613ec2a'],
    ['text', '76c8ec815725c733'],
    ['textures', '47ed11feed3c3b3f'],
    ['unseen', 'd157d798c85d4c55'],
  ])('are the same each time: %s', (set, digest) => {
    expect(digestOf([...drawUnknown(set, 4)])).toBe(digest);
  });

  it('differ from each other and from the known ones', () => {
    const unknown = unknownSetNames.flatMap((set) => [...drawUnknown(set, 14)]);
    const all = [...unknown, ...drawKnown('test', 2)].map((drawn) => digestOf([drawn]));
    expect(new Set(all).size).toBe(all.length);
  });

  it('show no class that the classifier knows, where they are said to be unseen', () => {
    const kinds = new Set([...drawUnknown('unseen', 16)].map(({ path }) => path.slice(4, -4)));
    expect([...kinds].sort()).toEqual(Object.keys(unseenThings));
    expect(classNames.filter((name) => kinds.has(name))).toEqual([]);
  });

  it('are of different nature: neighbouring pixels differ most in noise and least where blurred', () => {
    const roughness = (set: string) =>
      mean([...drawUnknown(set, 12)].map(({ picture }) => meanStep(picture)));
    const [noise, blurred, unseen] = [roughness('noise'), roughness('blurred'), roughness('unseen')];
    expect(blurred).toBeLessThan(0.5 * unseen);
    expect(noise).toBeGreaterThan(2 * unseen);
  });
});

function digestOf(pictures: readonly { readonly picture: Picture }[]): string {
  const hash = createHash('sha256');
  for (const { picture } of pictures) {
    expect(picture.length).toBe(PICTURE_SIDE * PICTURE_SIDE * 3);
    hash.update(picture);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Mean difference of a channel from that of the pixel to the right. */
function meanStep(picture: Picture): number {
  const steps: number[] = [];
  for (let i = 3; i < picture.length; i++) {
    if (i % (3 * PICTURE_SIDE) >= 3) steps.push(Math.abs(picture[i]! - picture[i - 3]!));
  }
  return mean(steps);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
