import { argmax } from '../maths/logit-sums.ts';
import { collect } from '../statistics/contract.ts';
import type { Scorer } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat } from './graph-pieces.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { fitPrototypes, graphCosine, PrototypeCosine, requestPrototypes } from './smoothing.ts';

const SMOOTHING = { kind: 'scale' } as const;

/** S = cos(h, v_ŷ), with v_ŷ the mean training feature of the predicted class: what smoothing knows, and no more. */
export const cosine = defineMethod({
  id: 'cosine',
  title: 'Prototype cosine',
  source: 'ablation of HIMPLoS, eq. 6 and 7',
  params: {},
  build: () => ({
    *fit(context) {
      const { classSums } = yield* collect(requestPrototypes(SMOOTHING));
      return fitPrototypes(SMOOTHING, classSums, context);
    },
    prepare: (head, tensors): Scorer => {
      const { classes, width } = head;
      const cosines = new PrototypeCosine(head, tensors);
      return {
        score(features, logits, rows, out) {
          for (let row = 0; row < rows; row++) {
            const predicted = argmax(logits, row * classes, classes);
            const s = cosines.of(features, row * width, predicted);
            out.score[row] = s;
            out.predicted[row] = predicted;
            out.cosine[row] = s;
            out.flags[row] = cosines.flags;
          }
        },
      };
    },
    graph: (builder, inputs, head, tensors) => {
      const s = graphFlat(builder, graphCosine(builder, inputs, head, tensors));
      return { score: builder.op('Cast', [s], { to: ONNX_DOUBLE }), cosine: s };
    },
    collapsedScore: () => 0,
  }),
});
