import { describe, expect, it } from 'vitest';
import { Preprocessor } from '../../../shared/images/preprocess.ts';
import type { Preprocessing } from '../../../shared/images/preprocessing.ts';
import { failureOf } from '../formats/expect-failure.ts';

const plain: Preprocessing = { resize: null, crop: null, mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 2] };

/** ToTensor and Normalize in float32, step by step. */
function normalized(byte: number, channel: number): number {
  const value = Math.fround(byte / 255);
  return Math.fround(
    Math.fround(value - Math.fround(plain.mean[channel]!)) / Math.fround(plain.std[channel]!),
  );
}

describe('preprocessing', () => {
  it('normalises every byte of every channel as torch does, into planes', () => {
    const pixels = Uint8Array.from({ length: 256 * 3 }, (_, i) =>
      i % 3 === 1 ? 255 - Math.floor(i / 3) : i / 3,
    );
    const out = new Float32Array(256 * 3 + 2).fill(9);
    new Preprocessor(plain).write(pixels, 16, 16, out, 1);
    for (let i = 0; i < 256; i++) {
      for (let c = 0; c < 3; c++) expect(out[1 + c * 256 + i]).toBe(normalized(pixels[3 * i + c]!, c));
    }
    expect([out[0], out.at(-1)]).toEqual([9, 9]);
  });

  it('surrounds a small image by normalised black, whatever was in the buffer', () => {
    const out = new Float32Array(3 * 16).fill(9);
    new Preprocessor({ ...plain, crop: 4 }).write(Uint8Array.of(10, 20, 30), 1, 1, out, 0);
    for (let c = 0; c < 3; c++) {
      const plane = [...out.subarray(c * 16, (c + 1) * 16)];
      const expected = new Array(16).fill(normalized(0, c));
      expected[5] = normalized(10 * (c + 1), c); // one before it on each axis, two after
      expect(plane).toEqual(expected);
    }
  });

  it('gives the same for one image after images of other sizes', () => {
    const preprocessing = { ...plain, resize: { shorter: 8 }, crop: 6 };
    const pixels = Uint8Array.from({ length: 20 * 12 * 3 }, (_, i) => (i * 37) % 256);
    const fresh = new Float32Array(108);
    new Preprocessor(preprocessing).write(pixels, 20, 12, fresh, 0);
    const used = new Preprocessor(preprocessing);
    const out = new Float32Array(108);
    used.write(new Uint8Array(30 * 30 * 3).fill(200), 30, 30, out, 0);
    used.write(new Uint8Array(2 * 5 * 3).fill(9), 2, 5, out, 0);
    used.write(pixels, 20, 12, out, 0);
    expect(out).toEqual(fresh);
    expect(used.outputSize(20, 12)).toEqual({ width: 6, height: 6 });
  });

  it('refuses pixels or room of the wrong length', () => {
    const preprocessor = new Preprocessor(plain);
    const out = new Float32Array(12);
    expect(failureOf(() => preprocessor.write(new Uint8Array(11), 2, 2, out, 0)).code).toBe('bad-input');
    expect(failureOf(() => preprocessor.write(new Uint8Array(12), 2, 2, out, 1)).code).toBe('bad-input');
    expect(failureOf(() => preprocessor.write(new Uint8Array(12), 2, 2, out, -1)).code).toBe('bad-input');
  });
});
