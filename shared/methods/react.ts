import { collect } from '../statistics/contract.ts';
import { defineMethod } from './define-method.ts';
import { scoreParam } from './logit-score.ts';
import { graphShaped, shapedScorer } from './shaped-scorer.ts';
import { clipParam, fitClip, requestClip } from './shaping/clip.ts';
import { clipShape, graphClip } from './shaping/clip-shape.ts';

const NO_SMOOTHING = { kind: 'none' } as const;

/** S = LSE(W·min(h, λ) + b), λ a percentile of all pooled training activations; or another score of those logits. */
export const react = defineMethod({
  id: 'react',
  title: 'ReAct',
  source:
    'Sun et al., ReAct: Out-of-distribution Detection With Rectified Activations, NeurIPS 2021, eq. 4 and 5',
  params: { clip: clipParam('p90'), score: scoreParam('energy') },
  build: ({ clip, score }) => ({
    *fit(context) {
      const request = requestClip(clip);
      const { quantiles } = request.quantiles === undefined ? {} : yield* collect(request);
      return fitClip(clip, quantiles, context);
    },
    prepare: (head, tensors) =>
      shapedScorer(head, tensors, { shape: clipShape(clip, head, tensors), smoothing: NO_SMOOTHING, score }),
    graph: (builder, inputs, head, tensors) => {
      const shaped = graphClip(builder, clip, inputs.features, tensors);
      return graphShaped(builder, inputs, head, tensors, { shaped, smoothing: NO_SMOOTHING, score });
    },
  }),
});
