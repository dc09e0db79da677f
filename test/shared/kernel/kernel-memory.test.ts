import { describe, expect, it, vi } from 'vitest';
import { allocateForKernel, takeKernelMemory } from '../../../shared/kernel/kernel-memory.ts';
import { compileKernel } from '../../../shared/kernel/kernel-module.ts';
import { type FittedDetector, prepareScorer } from '../../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fittedHimplos, randomFeatures, randomHead, randomPrototypes, seeded } from './heads.ts';

const ROWS = 67;

/** Bytes of a file after W: numbers that must reach no score. */
const BEHIND = Float32Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? Number.NaN : 3e38));

/** A copy whose weights lie in a file of their own, `before` bytes from its start, with `behind` after them. */
function inFile(fitted: FittedDetector, before: number): { fitted: FittedDetector; file: Uint8Array } {
  const { weight } = fitted.head;
  const file = allocateForKernel(before + weight.byteLength + BEHIND.byteLength);
  const floats = (at: number, length: number) => new Float32Array(file.buffer, file.byteOffset + at, length);
  const placed = floats(before, weight.length);
  placed.set(weight);
  floats(before + weight.byteLength, BEHIND.length).set(BEHIND);
  return { fitted: { ...fitted, head: { ...fitted.head, weight: placed } }, file };
}

/** Whether a kernel has written behind the file. */
function isUsedBehind({ buffer, byteOffset, length }: Uint8Array): boolean {
  return new Uint8Array(buffer, byteOffset + length).some((byte) => byte !== 0);
}

describe.each(['relaxed-simd', 'simd'] as const)('weights in memory for a kernel, %s', async (kind) => {
  const module = (await compileKernel([kind]))!;

  function score(fitted: FittedDetector, isDeferred: boolean, features: Float32Array) {
    const scorer = prepareScorer(fitted, module, { isDeferred });
    const scores = allocateScores(ROWS);
    // One row first: what is deferred is not there for it.
    scorer.score(features, 1, scores);
    const first = scores.score[0];
    scorer.score(features, ROWS, scores);
    return { first, scores, engine: scorer.engine };
  }

  it.each([
    [1, 4],
    [3, 8],
    [9, 132],
    [103, 300],
    [64, 1024],
  ])('give the same bits as a copy: %i × %i', (classes, width) => {
    const random = seeded(classes);
    const head = randomHead(random, classes, width);
    const prototypes = randomPrototypes(random, head);
    const features = randomFeatures(random, ROWS, width);
    for (const before of [0, 4, 152]) {
      for (const mask of [0, 20, 60]) {
        for (const isDeferred of [false, true]) {
          const fitted = fittedHimplos(head, prototypes, { mask });
          const placed = inFile(fitted, before);
          const bytes = placed.file.slice();
          expect(score(placed.fitted, isDeferred, features)).toEqual(score(fitted, isDeferred, features));
          expect(takeKernelMemory(placed.fitted.head.weight)).toBeUndefined();
          expect(placed.file).toEqual(bytes);
          expect(isUsedBehind(placed.file)).toBe(true);
        }
      }
      const energy = { detector: findDetector('energy'), head, tensors: {} };
      const placed = inFile(energy, before);
      expect(score(placed.fitted, false, features)).toEqual(score(energy, false, features));
    }
  });

  it('are used where they lie at 1000 × 2048, and copied where the kernel needs more than there is', () => {
    for (const [classes, width, isInPlace] of [
      [1000, 2048, true],
      [60_000, 4, false],
    ] as const) {
      const random = seeded(classes);
      const head = randomHead(random, classes, width);
      const fitted = fittedHimplos(head, randomPrototypes(random, head), { mask: 50 });
      const features = randomFeatures(random, ROWS, width);
      const placed = inFile(fitted, 8);
      expect(score(placed.fitted, true, features)).toEqual(score(fitted, true, features));
      expect(isUsedBehind(placed.file)).toBe(isInPlace);
    }
  });

  it('are copied where rows do not end where the kernel stops reading, and for a second kernel', () => {
    const random = seeded(4);
    for (const width of [6, 8]) {
      const head = randomHead(random, 5, width);
      const fitted = fittedHimplos(head, randomPrototypes(random, head));
      const features = randomFeatures(random, ROWS, width);
      const placed = inFile(fitted, 8);
      const expected = score(fitted, false, features);
      expect(score(placed.fitted, false, features)).toEqual(expected);
      expect(score(placed.fitted, false, features)).toEqual(expected);
    }
  });
});

describe('memory for a kernel', () => {
  it('belongs to whoever takes it first, and is plain for large files and where there is none', () => {
    const floats = ({ buffer, byteOffset }: Uint8Array<ArrayBuffer>) =>
      new Float32Array(buffer, byteOffset, 1);
    const file = allocateForKernel(1000);
    expect(file).toEqual(new Uint8Array(1000));
    const taken = takeKernelMemory(floats(file))!;
    expect(taken.memory.buffer).toBe(file.buffer);
    expect(taken.end).toBe(file.byteOffset + 1000);
    expect(takeKernelMemory(floats(file))).toBeUndefined();
    vi.stubGlobal('WebAssembly', {
      Memory: class {
        constructor() {
          throw new RangeError('no address space');
        }
      },
    });
    const refused = allocateForKernel(1000);
    vi.unstubAllGlobals();
    expect(refused).toEqual(new Uint8Array(1000));
    expect(takeKernelMemory(floats(refused))).toBeUndefined();
    const large = allocateForKernel(200 * 2 ** 20);
    expect(large).toHaveLength(200 * 2 ** 20);
    expect(takeKernelMemory(floats(large))).toBeUndefined();
  });
});
