import { HimplosError } from '../errors.ts';
import { multiplyTransposed } from '../maths/linalg/multiply-transposed.ts';
import { symmetricEigen } from '../maths/linalg/symmetric-eigen.ts';
import type { ChannelMoments } from '../statistics/channel-moments.ts';
import type { SecondMoment } from '../statistics/second-moment.ts';
import { f64, type Tensors } from '../tensor.ts';
import type { GraphBuilder, GraphInputs, GraphValue, Head, Param } from './contract.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { parseNumber } from './params.ts';
import { BLOCK_ROWS } from './plain-scorer.ts';
import { requireTensor } from './require-tensor.ts';

/** The parameter `dim=auto` or `dim=D`: dimensions of the principal space, which the residual leaves out. */
export function dimParam(): Param<number | 'auto'> {
  return {
    default: 'auto',
    expects: 'a whole number of dimensions below the feature width, or auto',
    parse: (text) => {
      if (text === 'auto') return 'auto';
      const value = parseNumber(text);
      return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
    },
    format: String,
  };
}

/**
 * Tensors of the residual space: `origin` F64 [L], u = −pinv(Wᵀ)·b, where the logits vanish as far as they can;
 * `basis` F64 [L − D, L], the eigenvectors (as rows) of E[(h − u)(h − u)ᵀ] beyond the D largest.
 * Throws `bad-usage` when D leaves nothing.
 */
export function fitResidualSpace(
  head: Head,
  dim: number | 'auto',
  second: SecondMoment,
  { mean }: ChannelMoments,
): Tensors {
  const { width } = head;
  const residual = residualDimensions(width, dim);
  const origin = zeroLogitPoint(head);
  const { moment } = second;
  const shifted = moment.map((value, at) => {
    const i = Math.floor(at / width);
    const j = at % width;
    return value - mean[i]! * origin[j]! - origin[i]! * mean[j]! + origin[i]! * origin[j]!;
  });
  // Ascending eigenvalues: the residual space comes first.
  const { vectors } = symmetricEigen(shifted, width);
  return {
    origin: f64(origin, width),
    basis: f64(vectors.slice(0, residual * width), residual, width),
  };
}

/** Writes ‖Rᵀ(h − u)‖ of `rows` rows of features from `at` on. */
export type ResidualNorms = (features: Float32Array, at: number, rows: number, norms: Float64Array) => void;

/** Prepares residual norms, any number of rows at a time. Throws `bad-artifact`. */
export function prepareResidualNorms({ width }: Head, dim: number | 'auto', tensors: Tensors): ResidualNorms {
  const residual = residualDimensions(width, dim);
  const origin = requireTensor(tensors, 'origin', 'F64', [width]);
  const basis = requireTensor(tensors, 'basis', 'F64', [residual, width]);
  const centred = new Float64Array(BLOCK_ROWS * width);
  const projected = new Float64Array(BLOCK_ROWS * residual);
  return (features, at, rows, norms) => {
    for (let first = 0; first < rows; first += BLOCK_ROWS) {
      const count = Math.min(BLOCK_ROWS, rows - first);
      const from = at + first * width;
      for (let i = 0; i < count; i++) {
        for (let l = 0; l < width; l++) centred[i * width + l] = features[from + i * width + l]! - origin[l]!;
      }
      multiplyTransposed(centred, basis, projected, { rows: count, columns: residual, depth: width });
      for (let i = 0; i < count; i++) {
        let square = 0;
        for (let k = i * residual; k < (i + 1) * residual; k++) square += projected[k]! * projected[k]!;
        norms[first + i] = Math.sqrt(square);
      }
    }
  };
}

/** Residual norms as ONNX nodes: float64 [N]. */
export function graphResidualNorms(
  builder: GraphBuilder,
  { features }: GraphInputs,
  { width }: Head,
  dim: number | 'auto',
  tensors: Tensors,
): GraphValue {
  const residual = residualDimensions(width, dim);
  const origin = requireTensor(tensors, 'origin', 'F64', [width]);
  const basis = requireTensor(tensors, 'basis', 'F64', [residual, width]);
  const columns = basis.map((_, at) => basis[(at % residual) * width + Math.floor(at / residual)]!);
  const wide = builder.op('Cast', [features], { to: ONNX_DOUBLE });
  const centred = builder.op('Sub', [wide, builder.constant(f64(origin, width))]);
  const projected = builder.op('MatMul', [centred, builder.constant(f64(columns, width, residual))]);
  const squares = builder.op('ReduceSumSquare', [projected], { axes: [1], keepdims: 0 });
  return builder.op('Sqrt', [squares]);
}

/** L − D, at least 1; D as ViM's authors choose it: 1000, 512 or L/2 by width. */
function residualDimensions(width: number, dim: number | 'auto'): number {
  const automatic = width >= 2048 ? 1000 : width >= 768 ? 512 : Math.floor(width / 2);
  const principal = dim === 'auto' ? automatic : dim;
  if (principal < width) return width - principal;
  throw new HimplosError('bad-usage', `dim: expected fewer than the ${width} features, got ${principal}`, {
    hint: 'choose fewer dimensions, or auto',
  });
}

/**
 * −pinv(W)·b for W C × L: the shortest of the vectors that bring W·u + b nearest to zero. By the eigenvectors of the
 * smaller of W·Wᵀ and Wᵀ·W; eigenvalues below rounding error count as zero.
 */
function zeroLogitPoint({ classes, width, weight, bias }: Head): Float64Array {
  const isWide = classes <= width;
  const size = isWide ? classes : width;
  const rows = isWide
    ? Float64Array.from(weight)
    : Float64Array.from(
        { length: weight.length },
        (_, at) => weight[(at % classes) * width + Math.floor(at / classes)]!,
      );
  const gram = new Float64Array(size * size);
  multiplyTransposed(rows, rows, gram, { rows: size, columns: size, depth: Math.max(classes, width) });
  const { values, vectors } = symmetricEigen(gram, size);
  const least = Math.max(classes, width) * Number.EPSILON * values[size - 1]!;
  // Wᵀ(W·Wᵀ)⁺·b, or (Wᵀ·W)⁺Wᵀ·b.
  const right = isWide ? Float64Array.from(bias) : timesTransposed(weight, bias, width);
  const solved = new Float64Array(size);
  for (let k = 0; k < size; k++) {
    if (values[k]! <= least) continue;
    let product = 0;
    for (let i = 0; i < size; i++) product += vectors[k * size + i]! * right[i]!;
    product /= values[k]!;
    for (let i = 0; i < size; i++) solved[i]! += product * vectors[k * size + i]!;
  }
  const point = isWide ? timesTransposed(weight, solved, width) : solved;
  return point.map((value) => 0 - value);
}

/** Wᵀ·x. */
function timesTransposed(weight: Float32Array, x: ArrayLike<number>, width: number): Float64Array {
  const out = new Float64Array(width);
  for (let at = 0; at < weight.length; at++) out[at % width]! += weight[at]! * x[Math.floor(at / width)]!;
  return out;
}
