import { HimplosError } from '../errors.ts';
import { logSumExp } from '../maths/logit-sums.ts';
import { channelMoments } from '../statistics/channel-moments.ts';
import { collect } from '../statistics/contract.ts';
import { residualMeans } from '../statistics/residual-means.ts';
import { secondMoment } from '../statistics/second-moment.ts';
import { f64 } from '../tensor.ts';
import { defineMethod } from './define-method.ts';
import { graphNumber } from './graph-pieces.ts';
import { ENERGY, graphScore } from './logit-score.ts';
import { blockScorer } from './plain-scorer.ts';
import { requireSize } from './require-size.ts';
import { requireTensor } from './require-tensor.ts';
import { dimParam, fitResidualSpace, graphResidualNorms, prepareResidualNorms } from './residual-space.ts';

/**
 * S = LSE(f) − α·‖Rᵀ(h − u)‖: energy less a virtual logit, the residual norm scaled to the size of the largest
 * logit, α = mean max f / mean residual norm over the training rows. Two passes: α needs R.
 *
 * Tensors: those of `fitResidualSpace`, and `alpha`, F64 without dimensions.
 */
export const vim = defineMethod({
  id: 'vim',
  title: 'ViM',
  source: 'Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, CVPR 2022, eq. 4 to 7',
  params: { dim: dimParam() },
  build: ({ dim }) => ({
    *fit({ head }) {
      requireSize('vim', 'the second moment of features', head.width, head.width, 8);
      const { second, moments } = yield* collect({ second: secondMoment, moments: channelMoments });
      const space = fitResidualSpace(head, dim, second, moments);
      const norms = prepareResidualNorms(head, dim, space);
      const { means } = yield* collect({
        means: residualMeans(`${dim}`, (features, rows, out) => norms(features, 0, rows, out)),
      });
      const alpha = means.maxLogit / means.residual;
      if (!Number.isFinite(alpha)) {
        throw new HimplosError(
          'bad-input',
          `vim: expected training features outside their principal space, got a mean residual norm of ${means.residual}`,
          { hint: 'choose fewer dimensions, for example vim:dim=1' },
        );
      }
      return { ...space, alpha: f64(Float64Array.of(alpha)) };
    },
    prepare: (head, tensors) => {
      const { classes } = head;
      const norms = prepareResidualNorms(head, dim, tensors);
      const alpha = requireTensor(tensors, 'alpha', 'F64', [])[0]!;
      return blockScorer(head, (features, at, logits, logitsAt, rows, scores) => {
        norms(features, at, rows, scores);
        for (let i = 0; i < rows; i++)
          scores[i] = logSumExp(logits, logitsAt + i * classes, classes) - alpha * scores[i]!;
      });
    },
    graph: (builder, inputs, head, tensors) => {
      const norms = graphResidualNorms(builder, inputs, head, dim, tensors);
      const alpha = graphNumber(builder, requireTensor(tensors, 'alpha', 'F64', [])[0]!);
      const energy = graphScore(builder, ENERGY, inputs.logits);
      return { score: builder.op('Sub', [energy, builder.op('Mul', [norms, alpha])]) };
    },
  }),
});
