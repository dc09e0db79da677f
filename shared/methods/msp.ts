import { defineMethod } from './define-method.ts';
import { logitDetector } from './logit-method.ts';
import { MSP } from './logit-score.ts';

/** S = max_c softmax(f)_c, the maximum softmax probability. */
export const msp = defineMethod({
  id: 'msp',
  title: 'MSP',
  source:
    'Hendrycks and Gimpel, A Baseline for Detecting Misclassified and Out-of-Distribution Examples, ICLR 2017',
  params: {},
  build: () => logitDetector(MSP),
});
