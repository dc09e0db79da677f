import { defineMethod } from './define-method.ts';
import { logitDetector } from './logit-method.ts';
import { ODIN_TEMPERATURE } from './logit-score.ts';
import { positiveParam } from './params.ts';

/**
 * S = max_c softmax(f / T)_c: ODIN without its input perturbation (ε = 0), which needs the gradient of the whole
 * network and so cannot be had from features.
 */
export const odin = defineMethod({
  id: 'odin',
  title: 'ODIN',
  source:
    'Liang et al., Enhancing the Reliability of Out-of-distribution Image Detection, ICLR 2018, eq. 1 and 2',
  params: { temperature: positiveParam(ODIN_TEMPERATURE) },
  build: ({ temperature }) => logitDetector({ kind: 'softmax', temperature }),
});
