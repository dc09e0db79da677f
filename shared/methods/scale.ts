import { defineMethod } from './define-method.ts';
import { ONNX_FLOAT } from './logit-score.ts';
import { percentParam } from './params.ts';
import { pruningDetector } from './pruning-detector.ts';
import { graphScaleFactor, scaleFactor } from './shaping/prune.ts';

/** S = LSE(W·(h·exp(s1/s2)) + b): ASH-S's factor on every activation, nothing pruned. */
export const scale = defineMethod({
  id: 'scale',
  title: 'SCALE',
  source:
    'Xu et al., Scaling for Training Time and Post-hoc Out-of-distribution Detection Enhancement, ICLR 2024, eq. 5 and 6',
  params: { p: percentParam(85) },
  build: ({ p }) =>
    pruningDetector(p, {
      id: 'scale',
      prunesOthers: false,
      kept: (top) => ({ factor: scaleFactor(top) }),
      graph: (builder, { features }, top) => {
        const factor = builder.op('Cast', [graphScaleFactor(builder, top)], { to: ONNX_FLOAT });
        return builder.op('Mul', [features, factor]);
      },
    }),
});
