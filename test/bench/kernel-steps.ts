import { type KernelModule, loadFeatures, openKernel } from '../../shared/kernel/kernel-module.ts';
import type { FittedDetector } from '../../shared/kernel/prepare-scorer.ts';
import { timeInTurn } from './measure.ts';

const ROWS = 64;

/** Times the kernel's steps for 64 samples, one after the other and together: a line each, in ms a sample. */
export async function timeSteps(
  { detector, head, tensors }: FittedDetector,
  module: KernelModule,
  features: Float32Array,
): Promise<void> {
  const { mask, clip } = detector.maskedHead!(head, tensors)!;
  const kernel = openKernel(module, head, { hasChannels: true, hasBytes: true })!;
  const { exports, predicted, masks, maskStride } = kernel;
  exports.deriveCopies();
  loadFeatures(kernel, features, 0, ROWS, head.width);
  exports.certifyArgmax(ROWS);
  const maskBytes = Math.ceil(head.width / 8);
  for (let row = 0; row < ROWS; row++) {
    const c = predicted[row]!;
    masks.set(mask!.subarray(c * maskBytes, (c + 1) * maskBytes), row * maskStride);
  }
  const steps: Record<string, (rows: number) => void> = {
    'argmax from W as bytes': (rows) => exports.certifyArgmax(rows),
    'W·h by class': (rows) => exports.computeLogits(rows),
    'W·h by channel': (rows) => exports.sparseLogits(rows),
    'second product, kept channels': (rows) => exports.shapeLogits(rows, clip, 0),
    'second product, fewer of kept and changed': (rows) => exports.shapeLogits(rows, clip, 1),
  };
  const works: Record<string, () => void> = {};
  for (const [name, step] of Object.entries(steps)) {
    works[`${name}: alone`] = () => {
      for (let i = 0; i < ROWS; i++) step(1);
    };
    works[`${name}: together`] = () => step(ROWS);
  }
  for (const { name, median, min, max } of await timeInTurn(works, 21)) {
    const [middle, low, high] = [median, min, max].map((ms) => (ms / ROWS).toFixed(3));
    console.log(`  ${name} ${middle} ms a sample (${low} … ${high})`);
  }
}
