import { classSums } from '../statistics/class-sums.ts';
import { collect } from '../statistics/contract.ts';
import { secondMoment } from '../statistics/second-moment.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat } from './graph-pieces.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { blockScorer } from './plain-scorer.ts';
import { requireSize } from './require-size.ts';
import { fitClassDistances, graphClassDistances, prepareClassDistances } from './whitened-distance.ts';

/**
 * S = −min_c (h − μ_c)ᵀΣ⁻¹(h − μ_c), Σ the within-class scatter / N shared by all classes. Tensors: see
 * `fitClassDistances`.
 */
export const mahalanobis = defineMethod({
  id: 'mahalanobis',
  title: 'Mahalanobis',
  source:
    'Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks, NeurIPS 2018, eq. 1 and 2 (penultimate layer)',
  params: {},
  build: () => ({
    *fit({ head, warn }) {
      requireSize('mahalanobis', 'the second moment of features', head.width, head.width, 8);
      const { second, sums } = yield* collect({ second: secondMoment, sums: classSums });
      return fitClassDistances(second, sums, warn);
    },
    prepare: (head, tensors) => {
      const classDistances = prepareClassDistances(head, tensors);
      return blockScorer(head, (features, at, _logits, _logitsAt, rows, scores) => {
        classDistances(features, at, rows, scores);
        for (let i = 0; i < rows; i++) scores[i] = -scores[i]!;
      });
    },
    graph: (builder, { features }, head, tensors) => {
      const wide = builder.op('Cast', [features], { to: ONNX_DOUBLE });
      const distances = graphClassDistances(builder, wide, head, tensors);
      return { score: graphFlat(builder, builder.op('Neg', [distances])) };
    },
  }),
});
