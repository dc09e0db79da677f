import { whiten } from '../maths/linalg/cholesky.ts';
import { classSums } from '../statistics/class-sums.ts';
import { collect } from '../statistics/contract.ts';
import { secondMoment } from '../statistics/second-moment.ts';
import { f64 } from '../tensor.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat } from './graph-pieces.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { BLOCK_ROWS, blockScorer } from './plain-scorer.ts';
import { requireSize } from './require-size.ts';
import {
  fitClassDistances,
  graphClassDistances,
  graphWhitened,
  prepareCentreDistances,
  prepareClassDistances,
  totalCovariance,
} from './whitened-distance.ts';

/**
 * S = −min_c (MD_c − MD_0): the Mahalanobis distance to the nearest class mean less the one to the overall mean,
 * MD_0 with the covariance of all rows / N.
 *
 * Tensors: those of `fitClassDistances`, and `total-whitening` F64 [L, L].
 */
export const rmds = defineMethod({
  id: 'rmds',
  title: 'RMDS',
  source:
    'Ren et al., A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection, 2021, eq. 2 and 3',
  params: {},
  build: () => ({
    *fit({ head, warn }) {
      requireSize('rmds', 'the second moment of features', head.width, head.width, 8);
      const { second, sums } = yield* collect({ second: secondMoment, sums: classSums });
      const total = whiten(totalCovariance(second, sums), second.width, warn);
      return {
        ...fitClassDistances(second, sums, warn),
        'total-whitening': f64(total, second.width, second.width),
      };
    },
    prepare: (head, tensors) => {
      const classDistances = prepareClassDistances(head, tensors);
      const centreDistances = prepareCentreDistances(head, tensors, 'total-whitening');
      const overall = new Float64Array(BLOCK_ROWS);
      return blockScorer(head, (features, at, _logits, _logitsAt, rows, scores) => {
        classDistances(features, at, rows, scores);
        centreDistances(features, at, rows, overall);
        for (let i = 0; i < rows; i++) scores[i] = overall[i]! - scores[i]!;
      });
    },
    graph: (builder, { features }, head, tensors) => {
      const wide = builder.op('Cast', [features], { to: ONNX_DOUBLE });
      const nearest = graphClassDistances(builder, wide, head, tensors);
      const whitened = graphWhitened(builder, wide, head, tensors, 'total-whitening');
      const overall = builder.op('ReduceSumSquare', [whitened], { axes: [1], keepdims: 1 });
      return { score: graphFlat(builder, builder.op('Sub', [overall, nearest])) };
    },
  }),
});
