import { channelMoments } from '../statistics/channel-moments.ts';
import { collect } from '../statistics/contract.ts';
import { f32, f64 } from '../tensor.ts';
import { defineMethod } from './define-method.ts';
import { ENERGY } from './logit-score.ts';
import { positiveParam } from './params.ts';
import { requireTensor } from './require-tensor.ts';
import { graphShaped, shapedScorer } from './shaped-scorer.ts';

/**
 * S = LSE(W·clamp(h_l, m_l − λσ_l, m_l + λσ_l) + b), with mean and standard deviation (ddof 0) of each channel over
 * all training rows. The paper clamps at BatchNorm layers; this is its form for the penultimate layer.
 *
 * Tensors: `lower` and `upper`, F64 [L].
 */
export const bats = defineMethod({
  id: 'bats',
  title: 'BATS',
  source: 'Zhu et al., Boosting Out-of-distribution Detection with Typical Features, NeurIPS 2022, eq. 7',
  params: { lambda: positiveParam(3) },
  build: ({ lambda }) => ({
    *fit() {
      const { moments } = yield* collect({ moments: channelMoments });
      const { mean, std } = moments;
      return {
        lower: f64(
          mean.map((m, l) => m - lambda * std[l]!),
          mean.length,
        ),
        upper: f64(
          mean.map((m, l) => m + lambda * std[l]!),
          mean.length,
        ),
      };
    },
    prepare: (head, tensors) => {
      const { width } = head;
      const lower = requireTensor(tensors, 'lower', 'F64', [width]);
      const upper = requireTensor(tensors, 'upper', 'F64', [width]);
      return shapedScorer(head, tensors, {
        shape: (features, at, _predicted, out, outAt) => {
          for (let l = 0; l < width; l++)
            out[outAt + l] = Math.min(Math.max(features[at + l]!, lower[l]!), upper[l]!);
        },
        smoothing: { kind: 'none' },
        score: ENERGY,
      });
    },
    graph: (builder, inputs, head, tensors) => {
      const bound = (name: string) =>
        builder.constant(
          f32(Float32Array.from(requireTensor(tensors, name, 'F64', [head.width])), head.width),
        );
      const raised = builder.op('Max', [inputs.features, bound('lower')]);
      const shaped = builder.op('Min', [raised, bound('upper')]);
      return graphShaped(builder, inputs, head, tensors, {
        shaped,
        smoothing: { kind: 'none' },
        score: ENERGY,
      });
    },
  }),
});
