import { f64 } from '../tensor.ts';
import { defineMethod } from './define-method.ts';
import { ONNX_FLOAT } from './logit-score.ts';
import { percentParam } from './params.ts';
import { pruningDetector } from './pruning-detector.ts';
import { scatter } from './shaping/prune.ts';

/** A sample's k largest activations all become s1/k, s1 the sum over all activations, the others zero; then energy. */
export const ashB = defineMethod({
  id: 'ash-b',
  title: 'ASH-B',
  source:
    'Djurisic et al., Extremely Simple Activation Shaping for Out-of-Distribution Detection, ICLR 2023, algorithm 2',
  params: { p: percentParam(90) },
  build: ({ p }) =>
    pruningDetector(p, {
      id: 'ash-b',
      prunesOthers: true,
      kept: ({ total }, kept) => ({ value: total / kept }),
      graph: (builder, { features }, { channels, total }, kept) => {
        const share = builder.constant(f64(new Float64Array(kept).fill(1 / kept), 1, kept));
        const values = builder.op('Cast', [builder.op('Mul', [total, share])], { to: ONNX_FLOAT });
        return scatter(builder, features, channels, values);
      },
    }),
});
