import { HimplosError } from '../errors.ts';
import { whiten } from '../maths/linalg/cholesky.ts';
import { addGramUpper, multiplyTransposed } from '../maths/linalg/multiply-transposed.ts';
import { type ClassSums, classMeans, countRows, overallMean } from '../statistics/class-sums.ts';
import type { SecondMoment } from '../statistics/second-moment.ts';
import { f64, type Tensors } from '../tensor.ts';
import type { GraphBuilder, GraphValue, Head } from './contract.ts';
import { BLOCK_ROWS } from './plain-scorer.ts';
import { requireTensor } from './require-tensor.ts';

/**
 * The within-class scatter of the training rows / N: Σ = E[h·hᵀ] − Σ_c (n_c/N)·μ_c·μ_cᵀ, L × L. There must be a label
 * on every row.
 */
function withinClassCovariance(second: SecondMoment, sums: ClassSums): Float64Array {
  const { classes, width, counts } = sums;
  const means = classMeans(sums);
  const rows = countRows(counts);
  const scaled = new Float64Array(width * classes);
  for (let c = 0; c < classes; c++) {
    const share = Math.sqrt(counts[c]! / rows);
    for (let l = 0; l < width; l++) scaled[l * classes + c] = share * means[c * width + l]!;
  }
  return subtractGram(second, scaled, classes);
}

/** The covariance of all training rows / N: Σ₀ = E[h·hᵀ] − μ·μᵀ, L × L. */
export function totalCovariance(second: SecondMoment, sums: ClassSums): Float64Array {
  return subtractGram(second, overallMean(sums), 1);
}

/**
 * M − X·Xᵀ for X width × depth; symmetric. A channel whose variance is no more than the subtraction's rounding error
 * has none: its row and column are zeros, so that the covariance counts as singular.
 */
function subtractGram({ moment, width }: SecondMoment, x: Float64Array, depth: number): Float64Array {
  const covariance = new Float64Array(width * width);
  addGramUpper(x, covariance, width, depth);
  const isConstant = Array.from({ length: width }, (_, i) => {
    const at = i * width + i;
    return moment[at]! - covariance[at]! <= 64 * Number.EPSILON * moment[at]!;
  });
  for (let i = 0; i < width; i++) {
    for (let j = i; j < width; j++) {
      const value = isConstant[i] || isConstant[j] ? 0 : moment[i * width + j]! - covariance[i * width + j]!;
      covariance[i * width + j] = value;
      covariance[j * width + i] = value;
    }
  }
  return covariance;
}

/**
 * Tensors of Mahalanobis distances to class means: `centre` F64 [L], the overall mean; `whitening` F64 [L, L], the
 * inverse Cholesky factor L⁻¹ of Σ; `means` F64 [C, L], the class means μ_c as L⁻¹·(μ_c − centre); `counts` F64 [C].
 */
export function fitClassDistances(
  second: SecondMoment,
  sums: ClassSums,
  warn: (sentence: string) => void,
): Tensors {
  const { classes, width, counts } = sums;
  const whitening = whiten(withinClassCovariance(second, sums), width, warn);
  const centre = overallMean(sums);
  const centred = classMeans(sums).map((mean, i) => mean - centre[i % width]!);
  const means = new Float64Array(classes * width);
  multiplyTransposed(centred, whitening, means, { rows: classes, columns: width, depth: width });
  return {
    centre: f64(centre, width),
    whitening: f64(whitening, width, width),
    means: f64(means, classes, width),
    counts: f64(counts, classes),
  };
}

/**
 * Prepares min_c (h − μ_c)ᵀΣ⁻¹(h − μ_c) for up to {@link BLOCK_ROWS} rows: features are whitened once, and then every
 * class costs L operations. Classes without training rows are left out. Throws `bad-artifact`.
 */
export function prepareClassDistances(head: Head, tensors: Tensors): DistanceBlock {
  const { width } = head;
  const { means, count } = readPresentMeans(head, tensors);
  const whitenRows = prepareWhitening(head, tensors, 'whitening');
  return (features, at, rows, distances) => {
    const whitened = whitenRows(features, at, rows);
    for (let i = 0; i < rows; i++) {
      let nearest = Number.POSITIVE_INFINITY;
      for (let c = 0; c < count; c++) {
        let square = 0;
        for (let l = 0; l < width; l++) {
          const apart = whitened[i * width + l]! - means[c * width + l]!;
          square += apart * apart;
        }
        if (square < nearest) nearest = square;
      }
      distances[i] = nearest;
    }
  };
}

/** Squared distances of `rows` rows of features from `at` on. */
export type DistanceBlock = (
  features: Float32Array,
  at: number,
  rows: number,
  distances: Float64Array,
) => void;

/** Prepares (h − centre)ᵀΣ⁻¹(h − centre), the whitening being the tensor `name`. */
export function prepareCentreDistances(head: Head, tensors: Tensors, name: string): DistanceBlock {
  const { width } = head;
  const whitenRows = prepareWhitening(head, tensors, name);
  return (features, at, rows, distances) => {
    const whitened = whitenRows(features, at, rows);
    for (let i = 0; i < rows; i++) {
      let square = 0;
      for (let l = i * width; l < (i + 1) * width; l++) square += whitened[l]! * whitened[l]!;
      distances[i] = square;
    }
  };
}

/** L⁻¹·(h − centre) for a block of rows, in memory that the next call uses again. */
function prepareWhitening({ width }: Head, tensors: Tensors, name: string) {
  const centre = requireTensor(tensors, 'centre', 'F64', [width]);
  const whitening = requireTensor(tensors, name, 'F64', [width, width]);
  const centred = new Float64Array(BLOCK_ROWS * width);
  const whitened = new Float64Array(BLOCK_ROWS * width);
  return (features: Float32Array, at: number, rows: number): Float64Array => {
    for (let i = 0; i < rows; i++) {
      for (let l = 0; l < width; l++) centred[i * width + l] = features[at + i * width + l]! - centre[l]!;
    }
    multiplyTransposed(centred, whitening, whitened, { rows, columns: width, depth: width });
    return whitened;
  };
}

/** L⁻¹·(h − centre) as ONNX nodes: float64 [N, L] for float64 features. */
export function graphWhitened(
  builder: GraphBuilder,
  wideFeatures: GraphValue,
  { width }: Head,
  tensors: Tensors,
  name: string,
): GraphValue {
  const centre = requireTensor(tensors, 'centre', 'F64', [width]);
  const whitening = requireTensor(tensors, name, 'F64', [width, width]);
  const centred = builder.op('Sub', [wideFeatures, builder.constant(f64(centre, width))]);
  return builder.op('MatMul', [centred, builder.constant(transposed(whitening, width, width))]);
}

/** Minimum over classes of the squared distance as ONNX nodes, float64 [N, 1]: ‖y‖² − 2·y·m_c + ‖m_c‖². */
export function graphClassDistances(
  builder: GraphBuilder,
  wideFeatures: GraphValue,
  head: Head,
  tensors: Tensors,
): GraphValue {
  const { width } = head;
  const { means, count } = readPresentMeans(head, tensors);
  const whitened = graphWhitened(builder, wideFeatures, head, tensors, 'whitening');
  const squares = Float64Array.from({ length: count }, (_, c) =>
    means.subarray(c * width, (c + 1) * width).reduce((sum, value) => sum + value * value, 0),
  );
  const doubled = transposed(
    means.map((value) => -2 * value),
    count,
    width,
  );
  const cross = builder.op('MatMul', [whitened, builder.constant(doubled)]);
  const perClass = builder.op('Add', [cross, builder.constant(f64(squares, count))]);
  const nearest = builder.op('ReduceMin', [perClass], { axes: [1], keepdims: 1 });
  return builder.op('Add', [builder.op('ReduceSumSquare', [whitened], { axes: [1], keepdims: 1 }), nearest]);
}

/** The whitened means of the classes that have training rows. */
function readPresentMeans(
  { classes, width }: Head,
  tensors: Tensors,
): { means: Float64Array; count: number } {
  const all = requireTensor(tensors, 'means', 'F64', [classes, width]);
  const counts = requireTensor(tensors, 'counts', 'F64', [classes]);
  const present = [...counts.keys()].filter((c) => counts[c]! > 0);
  if (present.length === 0) {
    throw new HimplosError('bad-artifact', 'tensor counts: expected a class with training rows, got none');
  }
  const means = new Float64Array(present.length * width);
  present.forEach((c, row) => {
    means.set(all.subarray(c * width, (c + 1) * width), row * width);
  });
  return { means, count: present.length };
}

function transposed(matrix: Float64Array, rows: number, columns: number) {
  const out = new Float64Array(matrix.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j]!;
  }
  return f64(out, columns, rows);
}
