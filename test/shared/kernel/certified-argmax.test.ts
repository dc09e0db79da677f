import { describe, expect, it } from 'vitest';
import { compileKernel, type KernelInstance, openKernel } from '../../../shared/kernel/kernel-module.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import { type Random, randomFeatures, randomHead, seeded } from './heads.ts';

const VECTORS = 1_000_000;
/** Small heads, so that the obvious double loop over a million vectors takes seconds. */
const SHAPES = [
  [12, 24],
  [5, 48],
  [20, 9],
  [8, 33],
] as const;

/** All ways to an argmax: from bytes, and from float32 logits by class or by channel. */
const ROUTES: Readonly<Record<string, (exports: KernelInstance['exports'], rows: number) => void>> = {
  bytes: (exports, rows) => exports.certifyArgmax(rows),
  'by class': (exports, rows) => {
    exports.computeLogits(rows);
    exports.certifyLogits(rows);
  },
  'by channel': (exports, rows) => {
    exports.sparseLogits(rows);
    exports.certifyLogits(rows);
  },
};

describe.each(['relaxed-simd', 'simd'] as const)('the certified argmax with %s', (kind) => {
  it('is the exact one on a million vectors, near ties included', async () => {
    const module = (await compileKernel([kind]))!;
    let vectors = 0;
    let ties = 0;
    for (let seed = 0; vectors < VECTORS; seed++) {
      const random = seeded(seed);
      const [classes, width] = SHAPES[seed % SHAPES.length]!;
      const head = headWithNearTies(random, classes, width);
      const kernel = openKernel(module, head, { hasChannels: true, hasBytes: true })!;
      kernel.exports.deriveCopies();
      const rows = kernel.maxRows;
      for (let block = 0; block < 250; block++) {
        const features = randomFeatures(random, rows, width);
        // Zeros as behind a ReLU in four rows of five, signed features without zeros in the others.
        for (let row = 0; row < rows; row += 5) {
          for (let l = 0; l < width; l++) features[row * width + l] = random.normal();
        }
        for (let row = 0; row < rows; row++) {
          kernel.features.set(features.subarray(row * width, (row + 1) * width), row * kernel.stride);
        }
        const exact = Array.from({ length: rows }, (_, row) => exactArgmax(head, features, row * width));
        for (const [route, run] of Object.entries(ROUTES)) {
          run(kernel.exports, rows);
          const wrong = exact.findIndex(({ best }, row) => kernel.predicted[row] !== best);
          if (wrong >= 0) {
            const [got, wanted] = [kernel.predicted[wrong], exact[wrong]!.best];
            expect.fail(`${route}, seed ${seed}, row ${wrong}: ${got} instead of ${wanted}`);
          }
        }
        for (const { gap } of exact) if (gap < 1e-6) ties++;
        vectors += rows;
      }
    }
    expect(ties).toBeGreaterThan(VECTORS / 20);
  });

  it('is the lowest index among equal classes', async () => {
    const module = (await compileKernel([kind]))!;
    const random = seeded(1);
    const head = randomHead(random, 40, 64);
    for (let c = 1; c < 40; c++) head.weight.copyWithin(c * 64, 0, 64);
    head.bias.fill(0.25);
    const kernel = openKernel(module, head, { hasChannels: true, hasBytes: true })!;
    kernel.exports.deriveCopies();
    kernel.features.set(randomFeatures(random, 1, 64));
    kernel.exports.certifyArgmax(1);
    expect(kernel.predicted[0]).toBe(0);
  });
});

/** A head in which half of the classes are copies of others, equal or off by the last bit of some weights. */
function headWithNearTies(random: Random, classes: number, width: number): Head {
  const head = randomHead(random, classes, width);
  for (let c = 1; c < classes; c += 2) {
    head.weight.copyWithin(c * width, (c - 1) * width, c * width);
    head.bias[c] = head.bias[c - 1]!;
    const changes = Math.floor(random.uniform() * 3);
    for (let i = 0; i < changes; i++) {
      head.weight[c * width + Math.floor(random.uniform() * width)]! *=
        1 + (random.uniform() - 0.5) * 2 ** -22;
    }
  }
  return head;
}

/** The definition: every logit in float64, summed over channels in their order; and the lead over the next. */
function exactArgmax(
  { classes, width, weight, bias }: Head,
  features: Float32Array,
  at: number,
): { best: number; gap: number } {
  let best = -1;
  let top = Number.NEGATIVE_INFINITY;
  let second = top;
  for (let c = 0; c < classes; c++) {
    let sum = 0;
    for (let l = 0; l < width; l++) sum += weight[c * width + l]! * features[at + l]!;
    sum += bias[c]!;
    if (sum > top) {
      second = top;
      top = sum;
      best = c;
    } else if (sum > second) second = sum;
  }
  return { best, gap: top - second };
}
