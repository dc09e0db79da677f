import { type ClassSums, classMeans, classSums } from '../statistics/class-sums.ts';
import { f32, type Tensors } from '../tensor.ts';
import {
  type FitContext,
  FLAG_NEGATIVE_COSINE,
  FLAG_NO_PROTOTYPE,
  FLAG_ZERO_FEATURE,
  type GraphBuilder,
  type GraphInputs,
  type GraphValue,
  type Head,
  type Param,
} from './contract.ts';
import { parseNumber } from './params.ts';
import { requireTensor } from './require-tensor.ts';

/**
 * Prototype-based logit smoothing: with s the cosine between the raw features and the prototype of the predicted
 * class (eq. 7), logits become s·f (`scale`, eq. 10) or f + α·s (`enhance`, eq. 12).
 */
export type Smoothing =
  | { readonly kind: 'none' }
  | { readonly kind: 'scale' }
  | { readonly kind: 'enhance'; readonly alpha: number };

/** The parameter `smoothing=scale|none|enhance:α`. */
export function smoothingParam(fallback: string): Param<Smoothing> {
  return {
    default: fallback,
    expects: 'scale, none or enhance:α with α above 0',
    parse: parseSmoothing,
    format: (smoothing) => (smoothing.kind === 'enhance' ? `enhance:${smoothing.alpha}` : smoothing.kind),
  };
}

/** What a fit must ask for to learn prototypes. */
export function requestPrototypes(smoothing: Smoothing): { readonly classSums?: typeof classSums } {
  return smoothing.kind === 'none' ? {} : { classSums };
}

/**
 * The tensor `prototypes` (F32 [C, L]): the mean of the raw features of the training rows labelled c (eq. 6), zeros
 * where there are none; nothing without smoothing. Warns about classes without rows.
 */
export function fitPrototypes(
  smoothing: Smoothing,
  sums: ClassSums | undefined,
  { warn }: FitContext,
): Tensors {
  if (smoothing.kind === 'none') return {};
  const { classes, width, counts } = sums!;
  const missing = [...counts.keys()].filter((c) => counts[c] === 0);
  if (missing.length > 0) {
    const listed = missing.slice(0, 20).join(', ') + (missing.length > 20 ? ', …' : '');
    warn(
      `${missing.length} of ${classes} classes have no training rows and so no prototype: ${listed}. Whatever is predicted as one of them is decided out-of-distribution.`,
    );
  }
  return { prototypes: f32(classMeans(sums!, new Float32Array(classes * width)), classes, width) };
}

/** FLAG_… bits of a cosine that is not above 0: which norm is 0, or else that it is the cosine itself. */
export function cosineFlags(isZeroFeature: boolean, hasPrototype: boolean): number {
  const flags = (isZeroFeature ? FLAG_ZERO_FEATURE : 0) | (hasPrototype ? 0 : FLAG_NO_PROTOTYPE);
  return flags === 0 ? FLAG_NEGATIVE_COSINE : flags;
}

/** Whether the row of `width` features that begins at `at` is zero throughout. */
export function isZeroRow(features: Float32Array, at: number, width: number): boolean {
  for (let l = 0; l < width; l++) if (features[at + l] !== 0) return false;
  return true;
}

/** Cosines of samples to the prototype of their predicted class. */
export class PrototypeCosine {
  /** Why the last row asked about is out-of-distribution whatever its score says: FLAG_… bits, or 0. */
  flags = 0;
  readonly #width: number;
  readonly #prototypes: Float32Array;
  readonly #norms: Float64Array;

  /** Throws `bad-artifact` when the tensor `prototypes` is missing or of the wrong shape. */
  constructor({ classes, width }: Head, tensors: Tensors) {
    this.#width = width;
    const prototypes = requireTensor(tensors, 'prototypes', 'F32', [classes, width]);
    this.#prototypes = prototypes;
    this.#norms = Float64Array.from({ length: classes }, (_, c) => norm(prototypes, c * width, width));
  }

  /** s of the row that begins at `at`, in [−1, 1]; 0 where one of the norms is 0. Sets `flags`. */
  of(features: Float32Array, at: number, predicted: number): number {
    const width = this.#width;
    const prototypes = this.#prototypes;
    const from = predicted * width;
    let product = 0;
    let square = 0;
    for (let l = 0; l < width; l++) {
      const h = features[at + l]!;
      product += h * prototypes[from + l]!;
      square += h * h;
    }
    const prototypeNorm = this.#norms[predicted]!;
    this.flags = product > 0 ? 0 : cosineFlags(square === 0, prototypeNorm !== 0);
    if (square === 0 || prototypeNorm === 0) return 0;
    // Rounding can put a vector's cosine with itself above 1.
    return Math.max(-1, Math.min(1, product / (Math.sqrt(square) * prototypeNorm)));
  }
}

/** Smooths `classes` logits from `at` on in place, given the sample's cosine. */
export function smoothLogits(
  smoothing: Smoothing,
  logits: Float64Array,
  at: number,
  classes: number,
  cosine: number,
): void {
  if (smoothing.kind === 'scale') {
    for (let i = at; i < at + classes; i++) logits[i]! *= cosine;
  } else if (smoothing.kind === 'enhance') {
    const added = smoothing.alpha * cosine;
    for (let i = at; i < at + classes; i++) logits[i]! += added;
  }
}

/** The cosine as ONNX nodes: float32 [N, 1]. Prototypes are stored at unit length, zeros where there is none. */
export function graphCosine(
  builder: GraphBuilder,
  { features, predicted }: GraphInputs,
  { classes, width }: Head,
  tensors: Tensors,
): GraphValue {
  const prototypes = requireTensor(tensors, 'prototypes', 'F32', [classes, width]);
  const units = new Float32Array(classes * width);
  for (let c = 0; c < classes; c++) {
    const length = norm(prototypes, c * width, width) || 1;
    for (let i = c * width; i < (c + 1) * width; i++) units[i] = prototypes[i]! / length;
  }
  const unit = builder.op('Gather', [builder.constant(f32(units, classes, width)), predicted], { axis: 0 });
  // A product with ones: onnxruntime's ReduceSum adds up in another order when there is one row than when there are more.
  const ones = builder.constant(f32(new Float32Array(width).fill(1), width, 1));
  const product = builder.op('MatMul', [builder.op('Mul', [features, unit]), ones]);
  const length = builder.op('ReduceL2', [features], { axes: [1], keepdims: 1 });
  // The smallest normal float32 keeps 0 / 0 out: the cosine of a zero vector is 0.
  const atLeast = builder.constant(f32(Float32Array.of(2 ** -126)));
  return builder.op('Div', [product, builder.op('Max', [length, atLeast])]);
}

/** Smoothing as ONNX nodes: logits [N, C] and cosines [N, 1], both float32. */
export function graphSmoothing(
  builder: GraphBuilder,
  smoothing: Smoothing,
  logits: GraphValue,
  cosine: GraphValue,
): GraphValue {
  if (smoothing.kind === 'scale') return builder.op('Mul', [logits, cosine]);
  if (smoothing.kind === 'none') return logits;
  const alpha = builder.constant(f32(Float32Array.of(smoothing.alpha)));
  return builder.op('Add', [logits, builder.op('Mul', [cosine, alpha])]);
}

function norm(values: Float32Array, at: number, count: number): number {
  let square = 0;
  for (let i = at; i < at + count; i++) square += values[i]! * values[i]!;
  return Math.sqrt(square);
}

function parseSmoothing(text: string): Smoothing | undefined {
  if (text === 'none' || text === 'scale') return { kind: text };
  const alpha = text.startsWith('enhance:') ? parseNumber(text.slice(8)) : undefined;
  return alpha !== undefined && alpha > 0 ? { kind: 'enhance', alpha } : undefined;
}
