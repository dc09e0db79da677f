import { describe, expect, it } from 'vitest';
import { DISTORTIONS } from '../../../calibrate/tuning/distort-images.ts';
import { randomNumbers } from '../../shared/random.ts';

const shape = { rows: 3, height: 9, width: 8 };
const size = 3 * shape.height * shape.width;
const random = randomNumbers(1);
const images = Float32Array.from({ length: shape.rows * size }, () => 2 * random() - 1);

function distort(kind: string, seed = 5): Float32Array {
  const out = new Float32Array(size);
  DISTORTIONS[kind]!(images, size, shape, out, randomNumbers(seed));
  return out;
}

const original = images.slice(size, 2 * size);

describe('distorted images', () => {
  it.each(Object.keys(DISTORTIONS))('%s: finite, changed, repeatable, the batch untouched', (kind) => {
    const before = images.slice();
    const out = distort(kind);
    expect(out.every(Number.isFinite)).toBe(true);
    expect(out).not.toEqual(original);
    expect(distort(kind)).toEqual(out);
    expect(images).toEqual(before);
  });

  it('have the same pixels when their patches are shuffled', () => {
    const out = distort('patches shuffled');
    for (let channel = 0; channel < 3; channel++) {
      const plane = (values: Float32Array) =>
        values.slice((channel * size) / 3, ((channel + 1) * size) / 3).sort();
      expect(plane(out)).toEqual(plane(original));
    }
  });

  it('are the mean of two images when mixed', () => {
    const out = distort('two images mixed');
    const means = [0, 2].map((other) => original.map((value, i) => (value + images[other * size + i]!) / 2));
    expect(means.some((mean) => mean.every((value, i) => Math.abs(value - out[i]!) < 1e-6))).toBe(true);
  });

  it('keep a flat image flat when blurred, and vary less otherwise', () => {
    const flat = new Float32Array(size).fill(0.25);
    const out = new Float32Array(size);
    DISTORTIONS.blurred!(flat, 0, { ...shape, rows: 1 }, out, random);
    expect(out.every((value) => Math.abs(value - 0.25) < 1e-6)).toBe(true);
    const variance = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
    expect(variance(distort('blurred'))).toBeLessThan(0.4 * variance(original));
  });

  it('mix an only image with itself', () => {
    const out = new Float32Array(size);
    DISTORTIONS['two images mixed']!(original, 0, { ...shape, rows: 1 }, out, random);
    expect(out).toEqual(original);
  });
});
