import { defineMethod } from './define-method.ts';
import { logitDetector } from './logit-method.ts';
import { positiveParam } from './params.ts';

/** S = T·log Σ_c exp(f_c / T), the negative free energy of the logits f. */
export const energy = defineMethod({
  id: 'energy',
  title: 'Energy',
  source: 'Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020, eq. 4',
  params: { temperature: positiveParam(1) },
  build: ({ temperature }) => logitDetector({ kind: 'energy', temperature }),
});
