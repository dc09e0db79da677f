import { channelMoments } from '../statistics/channel-moments.ts';
import { collect } from '../statistics/contract.ts';
import { secondMoment } from '../statistics/second-moment.ts';
import { defineMethod } from './define-method.ts';
import { blockScorer } from './plain-scorer.ts';
import { requireSize } from './require-size.ts';
import { dimParam, fitResidualSpace, graphResidualNorms, prepareResidualNorms } from './residual-space.ts';

/** S = −‖Rᵀ(h − u)‖, the norm outside the principal space of the training features. Tensors: see `fitResidualSpace`. */
export const residual = defineMethod({
  id: 'residual',
  title: 'Residual',
  source: 'Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, CVPR 2022, eq. 3',
  params: { dim: dimParam() },
  build: ({ dim }) => ({
    *fit({ head }) {
      requireSize('residual', 'the second moment of features', head.width, head.width, 8);
      const { second, moments } = yield* collect({ second: secondMoment, moments: channelMoments });
      return fitResidualSpace(head, dim, second, moments);
    },
    prepare: (head, tensors) => {
      const norms = prepareResidualNorms(head, dim, tensors);
      return blockScorer(head, (features, at, _logits, _logitsAt, rows, scores) => {
        norms(features, at, rows, scores);
        for (let i = 0; i < rows; i++) scores[i] = -scores[i]!;
      });
    },
    graph: (builder, inputs, head, tensors) => ({
      score: builder.op('Neg', [graphResidualNorms(builder, inputs, head, dim, tensors)]),
    }),
  }),
});
