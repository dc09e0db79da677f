import { defineMethod } from './define-method.ts';
import { logitDetector } from './logit-method.ts';
import { MAX_LOGIT } from './logit-score.ts';

/** S = max_c f_c. */
export const maxLogit = defineMethod({
  id: 'maxlogit',
  title: 'MaxLogit',
  source: 'Hendrycks et al., Scaling Out-of-Distribution Detection for Real-World Settings, ICML 2022',
  params: {},
  build: () => logitDetector(MAX_LOGIT),
});
