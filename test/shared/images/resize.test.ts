import { describe, expect, it } from 'vitest';
import { Resizer, type Size } from '../../../shared/images/resize.ts';
import { planResizeAxis, WEIGHT_BITS } from '../../../shared/images/resize-axis.ts';
import { KernelPasses } from '../../../shared/images/resize-kernel.ts';
import { failureOf } from '../formats/expect-failure.ts';

/** Deterministic bytes. */
function noise(length: number, seed: number): Uint8Array {
  let state = seed >>> 0;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/**
 * Pillow's algorithm written down once more, the slow way: one plane of one axis at a time, in float64 with the
 * sum rounded to a byte; whole image, no plans, no regions.
 */
function resizeSlowly(pixels: Uint8Array, from: Size, to: Size): Uint8Array {
  const across = new Uint8Array(from.height * to.width * 3);
  for (let y = 0; y < from.height; y++) {
    for (let x = 0; x < to.width; x++) {
      for (let c = 0; c < 3; c++) {
        const at = (i: number) => pixels[(y * from.width + i) * 3 + c]!;
        across[(y * to.width + x) * 3 + c] = resample(at, from.width, to.width, x);
      }
    }
  }
  const out = new Uint8Array(to.height * to.width * 3);
  for (let y = 0; y < to.height; y++) {
    for (let x = 0; x < to.width; x++) {
      for (let c = 0; c < 3; c++) {
        const at = (i: number) => across[(i * to.width + x) * 3 + c]!;
        out[(y * to.width + x) * 3 + c] = resample(at, from.height, to.height, y);
      }
    }
  }
  return out;
}

function resample(at: (i: number) => number, inputSize: number, outputSize: number, o: number): number {
  if (inputSize === outputSize) return at(o);
  const scale = inputSize / outputSize;
  const support = Math.max(1, scale);
  const center = (o + 0.5) * scale;
  const first = Math.max(0, Math.floor(center - support + 0.5));
  const last = Math.min(inputSize, Math.floor(center + support + 0.5));
  const weights: number[] = [];
  for (let i = first; i < last; i++)
    weights.push(Math.max(0, 1 - Math.abs((i - center + 0.5) * (1 / support))));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 2 ** (WEIGHT_BITS - 1);
  weights.forEach((weight, k) => {
    sum += Math.floor((weight / total) * 2 ** WEIGHT_BITS + 0.5) * at(first + k);
  });
  return Math.min(255, Math.floor(sum / 2 ** WEIGHT_BITS));
}

const whole = (size: Size) => ({ left: 0, top: 0, ...size });
const cases: readonly (readonly [Size, Size])[] = [
  [
    { width: 37, height: 23 },
    { width: 11, height: 9 },
  ],
  [
    { width: 5, height: 4 },
    { width: 16, height: 17 },
  ],
  [
    { width: 40, height: 8 },
    { width: 40, height: 3 },
  ],
  [
    { width: 8, height: 40 },
    { width: 3, height: 40 },
  ],
  [
    { width: 300, height: 2 },
    { width: 1, height: 1 },
  ],
  [
    { width: 1, height: 1 },
    { width: 6, height: 5 },
  ],
  [
    { width: 12, height: 7 },
    { width: 12, height: 7 },
  ],
];

/** Resizers by what does their work. */
const resizers = {
  'WebAssembly SIMD': () => new Resizer(),
  TypeScript: () => new Resizer(null),
} as const;

it('runs in WebAssembly here', () => {
  expect(KernelPasses.open()).toBeDefined();
});

describe.each(Object.entries(resizers))('the resize in %s', (_, openResizer) => {
  it.each(cases)('from %o to %o equals the slow one, byte for byte', (from, to) => {
    const resizer = openResizer();
    for (const seed of [1, 2, 3]) {
      const pixels = noise(from.width * from.height * 3, seed);
      const expected = resizeSlowly(pixels, from, to);
      expect(Buffer.from(resizer.resize(pixels, from, to, whole(to))).equals(expected)).toBe(true);
    }
  });

  it('keeps flat images flat: no weighted sum leaves the range of a byte', () => {
    const resizer = openResizer();
    for (const [from, to] of cases) {
      for (const value of [0, 1, 127, 254, 255]) {
        const pixels = new Uint8Array(from.width * from.height * 3).fill(value);
        expect(new Set(resizer.resize(pixels, from, to, whole(to)))).toEqual(new Set([value]));
      }
    }
  });

  it.each([...cases.map(([from, to]) => [from, to] as const)])(
    'from %o to %o: a region is a part of the whole',
    (from, to) => {
      const resizer = openResizer();
      const pixels = noise(from.width * from.height * 3, 7);
      const all = resizer.resize(pixels, from, to, whole(to)).slice();
      const left = Math.floor(to.width / 3);
      const top = Math.floor(to.height / 2);
      const region = { left, top, width: to.width - left, height: Math.ceil((to.height - top) / 2) };
      const part = resizer.resize(pixels, from, to, region);
      for (let y = 0; y < region.height; y++) {
        const start = ((top + y) * to.width + left) * 3;
        const row = part.subarray(y * region.width * 3, (y + 1) * region.width * 3);
        expect(Buffer.from(row).equals(all.subarray(start, start + region.width * 3))).toBe(true);
      }
    },
  );

  it('leaves its input alone', () => {
    const from = { width: 9, height: 9 };
    const pixels = noise(243, 5);
    const before = pixels.slice();
    openResizer().resize(pixels, from, { width: 4, height: 4 }, { left: 0, top: 0, width: 4, height: 4 });
    expect(pixels).toEqual(before);
  });

  it('refuses axes too long, shrunk too far, and scratch memory past its bound', () => {
    expect(failureOf(() => planResizeAxis(2 ** 17 + 1, 100_000, 0, 10)).code).toBe('too-large');
    expect(failureOf(() => planResizeAxis(100_000, 10, 0, 10)).code).toBe('too-large');
    const tall = { width: 2, height: 60_000 };
    const wide = { width: 4096, height: 4096 };
    const pixels = new Uint8Array(tall.width * tall.height * 3);
    expect(failureOf(() => openResizer().resize(pixels, tall, wide, whole(wide)))).toMatchObject({
      code: 'too-large',
    });
  });
});

describe('the kernel', () => {
  const random = (() => {
    let state = 12345;
    return (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  })();

  it('equals the plain passes for any sizes and regions, one resizer after all others', () => {
    const kernel = new Resizer();
    const plain = new Resizer(null);
    for (let round = 0; round < 300; round++) {
      const from = { width: 1 + random(90), height: 1 + random(90) };
      const to = {
        width: random(4) === 0 ? from.width : 1 + random(90),
        height: random(4) === 0 ? from.height : 1 + random(90),
      };
      const left = random(to.width);
      const top = random(to.height);
      const region = { left, top, width: 1 + random(to.width - left), height: 1 + random(to.height - top) };
      const pixels = noise(from.width * from.height * 3, round);
      const expected = plain.resize(pixels, from, to, region);
      expect(Buffer.from(kernel.resize(pixels, from, to, region)).equals(expected)).toBe(true);
    }
  });

  it('equals them for rows wider than a band, long windows and growing memory', () => {
    const kernel = new Resizer();
    for (const [from, to] of [
      [
        { width: 100_000, height: 5 },
        { width: 64, height: 3 },
      ],
      [
        { width: 3, height: 9000 },
        { width: 300, height: 20 },
      ],
      [
        { width: 2000, height: 1500 },
        { width: 341, height: 256 },
      ],
    ] as const) {
      const pixels = noise(from.width * from.height * 3, 9);
      const expected = new Resizer(null).resize(pixels, from, to, whole(to));
      expect(Buffer.from(kernel.resize(pixels, from, to, whole(to))).equals(expected)).toBe(true);
    }
  });

  it('leaves to them what would keep much memory for good', () => {
    const from = { width: 2, height: 20_000 };
    const to = { width: 2048, height: 2048 };
    const region = { left: 1000, top: 1000, width: 1040, height: 2 };
    const pixels = noise(from.width * from.height * 3, 4);
    const expected = new Resizer(null).resize(pixels, from, to, region);
    expect(Buffer.from(new Resizer().resize(pixels, from, to, region)).equals(expected)).toBe(true);
    const axis = planResizeAxis(2, 2048, 0, 2048);
    const job = { pixels, inputStride: 6, left: 0, top: 0, stride: 6144, across: axis, down: null };
    expect([1_000, 20_000].map((rows) => KernelPasses.fits({ ...job, rows }))).toEqual([true, false]);
  });
});
