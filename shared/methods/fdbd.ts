import { channelMoments } from '../statistics/channel-moments.ts';
import { collect } from '../statistics/contract.ts';
import { f64, type Tensors } from '../tensor.ts';
import type { Head } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat, graphNumber, graphRowSums } from './graph-pieces.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { rowScorer } from './plain-scorer.ts';
import { requireSize } from './require-size.ts';
import { requireTensor } from './require-tensor.ts';

/** Least distance to the mean that is divided by; only a sample at the very mean is nearer. */
const LEAST_DISTANCE = 1e-12;

/**
 * S = Σ_{k≠ŷ} (f_ŷ − f_k)/‖W_ŷ − W_k‖ / (C − 1) / ‖h − μ‖: the mean distance to the decision boundaries, relative to
 * the distance from the training mean μ. Classes with the weights of ŷ have no boundary with it and count as 0.
 *
 * Tensors: `mean` F64 [L]; `inverse-distances` F64 [C, C], 1/‖W_i − W_j‖, 0 where there is no boundary.
 */
export const fdbd = defineMethod({
  id: 'fdbd',
  title: 'fDBD',
  source:
    'Liu and Qin, Fast Decision Boundary based Out-of-Distribution Detector, ICML 2024, eq. 5 and section 3.3',
  params: {},
  build: () => ({
    *fit({ head }) {
      requireSize('fdbd', 'the distances between classes', head.classes, head.classes, 8);
      const { moments } = yield* collect({ moments: channelMoments });
      return {
        mean: f64(moments.mean, head.width),
        'inverse-distances': f64(inverseDistances(head), head.classes, head.classes),
      };
    },
    prepare: (head, tensors) => {
      const { classes, width } = head;
      const { mean, inverse } = read(head, tensors);
      return rowScorer(head, (features, at, logits, logitsAt, predicted) => {
        const top = logits[logitsAt + predicted]!;
        const row = predicted * classes;
        let sum = 0;
        for (let k = 0; k < classes; k++) sum += (top - logits[logitsAt + k]!) * inverse[row + k]!;
        let square = 0;
        for (let l = 0; l < width; l++) {
          const apart = features[at + l]! - mean[l]!;
          square += apart * apart;
        }
        return sum / otherClasses(classes) / Math.max(Math.sqrt(square), LEAST_DISTANCE);
      });
    },
    graph: (builder, { features, logits, predicted }, head, tensors) => {
      const { classes, width } = head;
      const { mean, inverse } = read(head, tensors);
      const widen = (x: string) => builder.op('Cast', [x], { to: ONNX_DOUBLE });
      const wide = widen(logits);
      const top = builder.op('ReduceMax', [wide], { axes: [1], keepdims: 1 });
      const weights = builder.op('Gather', [builder.constant(f64(inverse, classes, classes)), predicted], {
        axis: 0,
      });
      const terms = builder.op('Mul', [builder.op('Sub', [top, wide]), weights]);
      const sum = graphRowSums(builder, terms, classes);
      const apart = builder.op('Sub', [widen(features), builder.constant(f64(mean, width))]);
      const square = graphRowSums(builder, builder.op('Mul', [apart, apart]), width);
      const distance = builder.op('Max', [
        builder.op('Sqrt', [square]),
        graphNumber(builder, LEAST_DISTANCE),
      ]);
      const denominator = builder.op('Mul', [distance, graphNumber(builder, otherClasses(classes))]);
      return { score: graphFlat(builder, builder.op('Div', [sum, denominator])) };
    },
  }),
});

/** C − 1, or 1 for a single class, whose score is 0. */
function otherClasses(classes: number): number {
  return Math.max(1, classes - 1);
}

function inverseDistances({ classes, width, weight }: Head): Float64Array {
  const inverse = new Float64Array(classes * classes);
  for (let i = 0; i < classes; i++) {
    for (let j = 0; j < i; j++) {
      let square = 0;
      for (let l = 0; l < width; l++) square += (weight[i * width + l]! - weight[j * width + l]!) ** 2;
      const value = square === 0 ? 0 : 1 / Math.sqrt(square);
      inverse[i * classes + j] = value;
      inverse[j * classes + i] = value;
    }
  }
  return inverse;
}

function read({ classes, width }: Head, tensors: Tensors) {
  return {
    mean: requireTensor(tensors, 'mean', 'F64', [width]),
    inverse: requireTensor(tensors, 'inverse-distances', 'F64', [classes, classes]),
  };
}
