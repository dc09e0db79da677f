import { defineMethod } from './define-method.ts';
import { ONNX_FLOAT } from './logit-score.ts';
import { percentParam } from './params.ts';
import { pruningDetector } from './pruning-detector.ts';
import { graphScaleFactor, scaleFactor } from './shaping/prune.ts';

/**
 * A sample's k largest activations are multiplied by exp(s1/s2), the others become zero; then energy. s1 and s2 are
 * the sums of activations before and after pruning.
 */
export const ashS = defineMethod({
  id: 'ash-s',
  title: 'ASH-S',
  source:
    'Djurisic et al., Extremely Simple Activation Shaping for Out-of-Distribution Detection, ICLR 2023, algorithm 3',
  params: { p: percentParam(90) },
  build: ({ p }) =>
    pruningDetector(p, {
      id: 'ash-s',
      prunesOthers: true,
      kept: (top) => ({ factor: scaleFactor(top) }),
      graph: (builder, _inputs, top) => {
        const factor = builder.op('Cast', [graphScaleFactor(builder, top)], { to: ONNX_FLOAT });
        return builder.op('Mul', [top.pruned, factor]);
      },
    }),
});
