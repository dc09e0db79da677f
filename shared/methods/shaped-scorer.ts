import { applyLinear, type Linear } from '../maths/linear.ts';
import { argmax } from '../maths/logit-sums.ts';
import { f32, type Tensors } from '../tensor.ts';
import type { GraphBuilder, GraphInputs, GraphOutputs, GraphValue, Head, Scorer } from './contract.ts';
import { graphFlat } from './graph-pieces.ts';
import { graphScore, type LogitScore, scoreLogits } from './logit-score.ts';
import { graphCosine, graphSmoothing, PrototypeCosine, type Smoothing, smoothLogits } from './smoothing.ts';

/**
 * Shapes one row: reads L features from `at` on, writes L values to `out` from `outAt` on. `predicted` is the
 * argmax of the original logits.
 */
export type Shape = (
  features: Float32Array,
  at: number,
  predicted: number,
  out: Float64Array,
  outAt: number,
) => void;

/** The parts of a method that shapes features, applies a linear head again, smooths logits and scores them. */
export interface ShapedParts {
  /** Undefined when features stay as they are; then the original logits are used unless `linear` is given. */
  readonly shape?: Shape | undefined;
  /** The head for the shaped features, where it is not the classifier's own (DICE). */
  readonly linear?: Linear | undefined;
  readonly smoothing: Smoothing;
  readonly score: LogitScore;
}

/** The scorer for such a method. Throws `bad-artifact` when smoothing lacks its prototypes. */
export function shapedScorer(head: Head, tensors: Tensors, parts: ShapedParts): Scorer {
  const { classes, width } = head;
  const { shape, linear = head, smoothing, score } = parts;
  const cosines = smoothing.kind === 'none' ? undefined : new PrototypeCosine(head, tensors);
  const keepsLogits = shape === undefined && parts.linear === undefined;
  const shaped = new Float64Array(keepsLogits ? 0 : TILE_ROWS * width);
  const smoothed = new Float64Array(TILE_ROWS * classes);

  function shapeRow(features: Float32Array, at: number, predicted: number, to: number): void {
    if (shape !== undefined) shape(features, at, predicted, shaped, to);
    else for (let l = 0; l < width; l++) shaped[to + l] = features[at + l]!;
  }

  return {
    score(features, logits, rows, out) {
      for (let first = 0; first < rows; first += TILE_ROWS) {
        const count = Math.min(TILE_ROWS, rows - first);
        for (let i = 0; i < count; i++) {
          const predicted = argmax(logits, (first + i) * classes, classes);
          out.predicted[first + i] = predicted;
          if (!keepsLogits) shapeRow(features, (first + i) * width, predicted, i * width);
        }
        if (keepsLogits) smoothed.set(logits.subarray(first * classes, (first + count) * classes));
        else applyLinear(linear, shaped, count, smoothed);
        for (let i = 0; i < count; i++) {
          const row = first + i;
          const cosine = cosines?.of(features, row * width, out.predicted[row]!) ?? Number.NaN;
          smoothLogits(smoothing, smoothed, i * classes, classes, cosine);
          out.score[row] = scoreLogits(score, smoothed, i * classes, classes);
          out.cosine[row] = cosine;
          out.flags[row] = cosines?.flags ?? 0;
        }
      }
    },
  };
}

/**
 * The same as ONNX nodes, from the shaped features on.
 * @param shaped float32 [N, L]; undefined to use the original logits, as in {@link ShapedParts}
 */
export function graphShaped(
  builder: GraphBuilder,
  inputs: GraphInputs,
  head: Head,
  tensors: Tensors,
  parts: Omit<ShapedParts, 'shape'> & { readonly shaped: GraphValue | undefined },
): GraphOutputs {
  const { shaped, linear, smoothing, score } = parts;
  const logits =
    shaped === undefined && linear === undefined
      ? inputs.logits
      : graphLinear(builder, linear ?? head, shaped ?? inputs.features);
  if (smoothing.kind === 'none') return { score: graphScore(builder, score, logits) };
  const cosine = graphCosine(builder, inputs, head, tensors);
  return {
    score: graphScore(builder, score, graphSmoothing(builder, smoothing, logits, cosine)),
    cosine: graphFlat(builder, cosine),
  };
}

/** W·x + b as ONNX nodes: float32 [N, L] → [N, C]. */
export function graphLinear(builder: GraphBuilder, linear: Linear, x: GraphValue): GraphValue {
  const { classes, width, weight, bias } = linear;
  const w = builder.constant(f32(weight, classes, width));
  const b = builder.constant(f32(bias, classes));
  return builder.op('Gemm', [x, w, b], { transB: 1 });
}

/** Enough rows to reuse weights from cache; 32 × 2048 float64 are 512 KiB. */
const TILE_ROWS = 32;
