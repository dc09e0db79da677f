import { applyLinearTo } from '../maths/linear.ts';
import { allocateScores, type Detector, type Head, type Scorer, type Scores } from '../methods/contract.ts';
import type { Tensors } from '../tensor.ts';
import { type KernelModule, loadFeatures, openKernel } from './kernel-module.ts';
import { prepareMaskedKernel } from './masked-kernel.ts';

/** A detector ready to score features. It keeps scratch memory, so one instance serves one caller at a time. */
export interface FeatureScorer {
  /** What does the products. */
  readonly engine: 'relaxed-simd' | 'simd' | 'typescript';
  /**
   * Scores `rows` samples; a row's result does not depend on the others.
   * @param features rows × L, row-major, finite (callers check)
   * @param out at least `rows` long; every field is overwritten for each row
   */
  score(features: Float32Array, rows: number, out: Scores): void;
  /**
   * Makes what is left of what was deferred (see `prepareScorer`); no result changes by it. Absent where there is
   * nothing.
   */
  finish?(): void;
}

/** A method with what its fit returned. */
export interface FittedDetector {
  readonly detector: Detector;
  readonly head: Head;
  readonly tensors: Tensors;
}

/**
 * The fastest scorer for a detector: all of it in the kernel where the method has the form of `MaskedHead`, the
 * logits alone for other methods, and float64 TypeScript without a kernel or for a head it cannot hold. Kernel scores
 * agree with those of TypeScript to float32 (METHODS §9: 1e-5·max(1, |S|)), predicted classes exactly.
 * @param isDeferred leaves making the copies of W that make scoring fast (W by channel and, where few channels are kept,
 * as bytes) to `finish`, to the second call, or to a first one of more than four rows: the first answer comes 30 ms
 * sooner at 2048 × 1000, and has the same bits
 */
export function prepareScorer(
  fitted: FittedDetector,
  module: KernelModule | undefined,
  { isDeferred = false }: { readonly isDeferred?: boolean } = {},
): FeatureScorer {
  const twin = lazily(() => prepareTwin(fitted));
  if (module === undefined) return twin();
  const masked = fitted.detector.maskedHead?.(fitted.head, fitted.tensors);
  const viaKernel =
    masked === undefined ? withKernelLogits(fitted, module) : withMaskedKernel(fitted, module, masked, twin);
  if (!isDeferred) viaKernel?.finish?.();
  return viaKernel ?? twin();
}

/** The TypeScript twin of the kernel: float64 throughout, runs anywhere. */
export function prepareTwin({ detector, head, tensors }: FittedDetector): FeatureScorer {
  const { classes, width } = head;
  const scorer = detector.prepare(head, tensors);
  const wide = new Float64Array(TWIN_ROWS * width);
  const logits = new Float64Array(TWIN_ROWS * classes);
  const block = allocateScores(TWIN_ROWS);
  return {
    engine: 'typescript',
    score(features, rows, out) {
      for (let from = 0; from < rows; from += TWIN_ROWS) {
        const count = Math.min(TWIN_ROWS, rows - from);
        const part = features.subarray(from * width, (from + count) * width);
        applyLinearTo(head, part, count, wide, logits);
        scorer.score(part, logits, count, block);
        copyScores(block, count, out, from);
      }
    },
  };
}

/** Enough for the blocks of `applyLinear`, which takes WebAssembly for so many rows, with the same bits. */
const TWIN_ROWS = 8;

function withMaskedKernel(
  { head }: FittedDetector,
  module: KernelModule,
  masked: Parameters<typeof prepareMaskedKernel>[2],
  twin: () => FeatureScorer,
): FeatureScorer | undefined {
  const kernel = prepareMaskedKernel(module, head, masked);
  if (kernel === undefined) return undefined;
  const single = allocateScores(1);
  return {
    engine: module.kind,
    score(features, rows, out) {
      kernel.score(features, rows, out, (row) => {
        twin().score(features.subarray(row * head.width, (row + 1) * head.width), 1, single);
        copyScores(single, 1, out, row);
      });
    },
    finish: kernel.finish,
  };
}

function withKernelLogits(fitted: FittedDetector, module: KernelModule): FeatureScorer | undefined {
  const { detector, head, tensors } = fitted;
  const { classes, width } = head;
  const kernel = openKernel(module, head, { hasChannels: false, hasBytes: false });
  if (kernel === undefined) return undefined;
  const scorer: Scorer = detector.prepare(head, tensors);
  const logits = new Float64Array(kernel.maxRows * classes);
  const block = allocateScores(kernel.maxRows);
  const wide = new Float64Array(width);
  return {
    engine: module.kind,
    score(features, rows, out) {
      for (let from = 0; from < rows; from += kernel.maxRows) {
        const count = Math.min(kernel.maxRows, rows - from);
        loadFeatures(kernel, features, from, count, width);
        kernel.exports.computeLogits(count);
        kernel.exports.certifyLogits(count);
        const part = features.subarray(from * width, (from + count) * width);
        for (let row = 0; row < count; row++) {
          const at = row * kernel.logitStride;
          const h = part.subarray(row * width, (row + 1) * width);
          const mine = logits.subarray(row * classes, (row + 1) * classes);
          const predicted = kernel.predicted[row]!;
          if (predicted < 0) applyLinearTo(head, h, 1, wide, mine);
          else {
            mine.set(kernel.logits.subarray(at, at + classes));
            settleArgmax(head, h, mine, predicted);
          }
        }
        scorer.score(part, logits, count, block);
        copyScores(block, count, out, from);
      }
    },
  };
}

/** Where float32 put other classes level with or above the certified argmax, their logits in float64 instead. */
function settleArgmax(head: Head, h: Float32Array, logits: Float64Array, predicted: number): void {
  const level = logits[predicted]!;
  let isAlone = true;
  for (let c = 0; c < head.classes && isAlone; c++) isAlone = logits[c]! < level || c === predicted;
  if (isAlone) return;
  for (let c = 0; c < head.classes; c++) if (logits[c]! >= level) logits[c] = exactLogit(head, h, c);
}

/** f_c, summed in the order of `applyLinear`. */
function exactLogit({ width, weight, bias }: Head, h: Float32Array, c: number): number {
  let sum = 0;
  for (let l = 0; l < width; l++) sum += h[l]! * weight[c * width + l]!;
  return sum + bias[c]!;
}

function copyScores(from: Scores, rows: number, to: Scores, at: number): void {
  for (let row = 0; row < rows; row++) {
    to.score[at + row] = from.score[row]!;
    to.predicted[at + row] = from.predicted[row]!;
    to.cosine[at + row] = from.cosine[row]!;
    to.flags[at + row] = from.flags[row]!;
  }
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
