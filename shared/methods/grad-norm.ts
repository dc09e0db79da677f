import { softmax } from '../maths/logit-sums.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat, graphNumber, graphRowSums } from './graph-pieces.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { positiveParam } from './params.ts';
import { rowScorer } from './plain-scorer.ts';

/**
 * S = ‖h‖₁·Σ_k |C·p_k − 1| with p = softmax(f/T): the L1 norm of the gradient of KL(uniform ‖ p) with respect to the
 * head's weights, up to the constant 1/(C·T), without computing a gradient.
 */
export const gradNorm = defineMethod({
  id: 'gradnorm',
  title: 'GradNorm',
  source:
    'Huang, Geng and Li, On the Importance of Gradients for Detecting Distributional Shifts in the Wild, NeurIPS 2021, eq. 3 and section 5',
  params: { temperature: positiveParam(1) },
  build: ({ temperature }) => ({
    // biome-ignore lint/correctness/useYield: no statistics are needed, so no pass is asked for
    *fit() {
      return {};
    },
    prepare: (head) => {
      const { classes, width } = head;
      const probabilities = new Float64Array(classes);
      return rowScorer(head, (features, at, logits, logitsAt) => {
        let norm = 0;
        for (let l = 0; l < width; l++) norm += Math.abs(features[at + l]!);
        softmax(logits, logitsAt, classes, probabilities, 0, temperature);
        let distance = 0;
        for (let k = 0; k < classes; k++) distance += Math.abs(classes * probabilities[k]! - 1);
        return norm * distance;
      });
    },
    graph: (builder, { features, logits }, { classes, width }) => {
      const widen = (x: string) => builder.op('Cast', [x], { to: ONNX_DOUBLE });
      const norm = graphRowSums(builder, builder.op('Abs', [widen(features)]), width);
      const tempered = builder.op('Div', [widen(logits), graphNumber(builder, temperature)]);
      const p = builder.op('Softmax', [tempered], { axis: 1 });
      const scaled = builder.op('Mul', [p, graphNumber(builder, classes)]);
      const apart = builder.op('Abs', [builder.op('Sub', [scaled, graphNumber(builder, 1)])]);
      const product = builder.op('Mul', [norm, graphRowSums(builder, apart, classes)]);
      return { score: graphFlat(builder, product) };
    },
  }),
});
