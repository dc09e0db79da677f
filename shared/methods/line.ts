import { applyLinear } from '../maths/linear.ts';
import { argmax } from '../maths/logit-sums.ts';
import { ProductQuantiles } from '../maths/product-quantiles.ts';
import { selectQuantile } from '../maths/select.ts';
import { classMeans, classSums } from '../statistics/class-sums.ts';
import { collect } from '../statistics/contract.ts';
import { f64, type Tensors } from '../tensor.ts';
import type { GraphBuilder, GraphInputs, GraphValue, Head, Scorer } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat, graphSizes } from './graph-pieces.ts';
import { ENERGY, graphScore, ONNX_DOUBLE, ONNX_FLOAT, scoreLogits, scoreOfZeros } from './logit-score.ts';
import { percentParam } from './params.ts';
import { BLOCK_ROWS } from './plain-scorer.ts';
import { requireTensor } from './require-tensor.ts';
import { graphLinear } from './shaped-scorer.ts';
import { type Clip, clipParam, fitClip, readClip, requestClip } from './shaping/clip.ts';
import {
  fitPrototypes,
  graphCosine,
  graphSmoothing,
  PrototypeCosine,
  type Smoothing,
  smoothingParam,
  smoothLogits,
} from './smoothing.ts';

/**
 * LINe: with t_c = W_c ⊙ μ_c (the mean of h ⊙ ∂f_c/∂h over class c; exact for a linear head) and c the argmax of the
 * logits of the clipped features h̄ = min(h, δ),
 *
 *   S = LSE((W ⊙ [|t_c| ⊙ W > its p_w-th percentile over all C·L])·(h̄ ⊙ [t_c > its p_a-th percentile]) + b).
 *
 * With smoothing, logits are scaled by the cosine to the prototype of the **original** prediction.
 *
 * Tensors: `means` F64 [C, L]; `activation-thresholds` and `weight-thresholds` F64 [C]; `clip`; `prototypes`.
 */
export const line = defineMethod({
  id: 'line',
  title: 'LINe',
  source:
    'Ahn, Park and Kim, LINe: Out-of-Distribution Detection by Leveraging Important Neurons, CVPR 2023, eq. 4 to 9',
  params: {
    pw: percentParam(90),
    pa: percentParam(90),
    clip: clipParam('1.0'),
    smoothing: smoothingParam('none'),
  },
  build: ({ pw, pa, clip, smoothing }) => ({
    *fit(context) {
      const { head } = context;
      const { sums, quantiles } = yield* collect({ sums: classSums, ...requestClip(clip) });
      const means = classMeans(sums);
      const thresholds = fitThresholds(head, means, pa, pw);
      return {
        means: f64(means, head.classes, head.width),
        'activation-thresholds': f64(thresholds.activation, head.classes),
        'weight-thresholds': f64(thresholds.weight, head.classes),
        ...fitClip(clip, quantiles, context),
        ...fitPrototypes(smoothing, sums, context),
      };
    },
    prepare: (head, tensors) => lineScorer(head, tensors, clip, smoothing),
    graph: (builder, inputs, head, tensors) => {
      const logits = graphLogits(builder, inputs, head, tensors, clip);
      if (smoothing.kind === 'none') return { score: graphScore(builder, ENERGY, logits) };
      const cosine = graphCosine(builder, inputs, head, tensors);
      const narrow = builder.op('Cast', [logits], { to: ONNX_FLOAT });
      return {
        score: graphScore(builder, ENERGY, graphSmoothing(builder, smoothing, narrow, cosine)),
        cosine: graphFlat(builder, cosine),
      };
    },
    ...(smoothing.kind === 'scale' && { collapsedScore: (head: Head) => scoreOfZeros(ENERGY, head.classes) }),
  }),
});

/** Percentiles of t_c over channels and of |t_c| ⊙ W over the whole head, for each class. */
function fitThresholds(
  { classes, width, weight }: Head,
  means: Float64Array,
  activationPercent: number,
  weightPercent: number,
) {
  const contributions = means.map((mean, i) => weight[i]! * mean);
  const activation = new Float64Array(classes);
  const weights = new Float64Array(classes);
  const products = new ProductQuantiles(weight, classes, width);
  for (let c = 0; c < classes; c++) {
    const own = contributions.subarray(c * width, (c + 1) * width);
    activation[c] = selectQuantile(own.slice(), width, activationPercent / 100);
    weights[c] = products.at(own.map(Math.abs), weightPercent / 100);
  }
  return { activation, weight: weights };
}

function lineScorer(head: Head, tensors: Tensors, clip: Clip, smoothing: Smoothing): Scorer {
  const { classes, width } = head;
  const { contributions, activationThresholds, weightThresholds } = readParts(head, tensors);
  const limit = readClip(clip, tensors);
  const cosines = smoothing.kind === 'none' ? undefined : new PrototypeCosine(head, tensors);
  const clipped = new Float64Array(BLOCK_ROWS * width);
  const clippedLogits = new Float64Array(BLOCK_ROWS * classes);
  const masked = new Float64Array(classes);
  const channels = new Int32Array(width);
  return {
    score(features, logits, rows, out) {
      for (let first = 0; first < rows; first += BLOCK_ROWS) {
        const count = Math.min(BLOCK_ROWS, rows - first);
        const from = first * width;
        for (let i = 0; i < count * width; i++) clipped[i] = Math.min(features[from + i]!, limit);
        applyLinear(head, clipped, count, clippedLogits);
        for (let i = 0; i < count; i++) {
          const row = first + i;
          const predicted = argmax(logits, row * classes, classes);
          const cosine = cosines?.of(features, row * width, predicted) ?? Number.NaN;
          maskLogits(i * width, argmax(clippedLogits, i * classes, classes));
          smoothLogits(smoothing, masked, 0, classes, cosine);
          out.score[row] = scoreLogits(ENERGY, masked, 0, classes);
          out.predicted[row] = predicted;
          out.cosine[row] = cosine;
          out.flags[row] = cosines?.flags ?? 0;
        }
      }
    },
  };

  /** Logits of the clipped features at `at`, with the masks of class c, into `masked`. */
  function maskLogits(at: number, c: number): void {
    const own = c * width;
    let kept = 0;
    for (let l = 0; l < width; l++) {
      if (contributions[own + l]! > activationThresholds[c]!) channels[kept++] = l;
    }
    const threshold = weightThresholds[c]!;
    for (let k = 0; k < classes; k++) {
      let sum = 0;
      for (let n = 0; n < kept; n++) {
        const l = channels[n]!;
        const w = head.weight[k * width + l]!;
        if (Math.abs(contributions[own + l]!) * w > threshold) sum += clipped[at + l]! * w;
      }
      masked[k] = sum + head.bias[k]!;
    }
  }
}

/**
 * The masked logits as ONNX nodes, float64 [N, C]. The weight mask depends on sample, class and channel, so the graph
 * (unlike the scorer) has an intermediate of N·C·L numbers; they are float64, so that it masks the same entries.
 */
function graphLogits(
  builder: GraphBuilder,
  { features }: GraphInputs,
  head: Head,
  tensors: Tensors,
  clip: Clip,
): GraphValue {
  const { classes, width } = head;
  const { contributions, activationThresholds, weightThresholds } = readParts(head, tensors);
  const wideFeatures = builder.op('Cast', [features], { to: ONNX_DOUBLE });
  const limit = builder.constant(f64(Float64Array.of(readClip(clip, tensors))));
  const clipped = clip.kind === 'none' ? wideFeatures : builder.op('Min', [wideFeatures, limit]);
  const narrow = builder.op('Cast', [clipped], { to: ONNX_FLOAT });
  const chosen = builder.op('ArgMax', [graphLinear(builder, head, narrow)], { axis: 1, keepdims: 0 });
  const ofChosen = (values: Float64Array, ...shape: number[]) =>
    builder.op('Gather', [builder.constant(f64(values, ...shape)), chosen], { axis: 0 });
  const t = ofChosen(contributions, classes, width);
  const zero = builder.constant(f64(Float64Array.of(0)));
  const isActive = builder.op('Greater', [t, ofChosen(activationThresholds, classes, 1)]);
  const kept = builder.op('Where', [isActive, clipped, zero]);
  const weight = builder.constant(f64(Float64Array.from(head.weight), classes, width));
  const perClass = builder.op('Reshape', [builder.op('Abs', [t]), graphSizes(builder, 0, 1, width)]);
  const isHeavy = builder.op('Greater', [
    builder.op('Mul', [perClass, weight]),
    ofChosen(weightThresholds, classes, 1, 1),
  ]);
  const weights = builder.op('Where', [isHeavy, weight, zero]);
  const column = builder.op('Reshape', [kept, graphSizes(builder, 0, width, 1)]);
  const products = builder.op('Reshape', [
    builder.op('MatMul', [weights, column]),
    graphSizes(builder, 0, classes),
  ]);
  return builder.op('Add', [products, builder.constant(f64(Float64Array.from(head.bias), classes))]);
}

function readParts({ classes, width, weight }: Head, tensors: Tensors) {
  const means = requireTensor(tensors, 'means', 'F64', [classes, width]);
  return {
    contributions: means.map((mean, i) => weight[i]! * mean),
    activationThresholds: requireTensor(tensors, 'activation-thresholds', 'F64', [classes]),
    weightThresholds: requireTensor(tensors, 'weight-thresholds', 'F64', [classes]),
  };
}
