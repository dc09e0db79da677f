import { defineMethod } from './define-method.ts';
import { percentParam } from './params.ts';
import { pruningDetector } from './pruning-detector.ts';

/** A sample's k = L − round(pL/100) largest activations stay, the others become zero; then energy. */
export const ashP = defineMethod({
  id: 'ash-p',
  title: 'ASH-P',
  source:
    'Djurisic et al., Extremely Simple Activation Shaping for Out-of-Distribution Detection, ICLR 2023, algorithm 1',
  params: { p: percentParam(90) },
  build: ({ p }) =>
    pruningDetector(p, {
      id: 'ash-p',
      prunesOthers: true,
      kept: () => ({ factor: 1 }),
      graph: (_builder, _inputs, { pruned }) => pruned,
    }),
});
