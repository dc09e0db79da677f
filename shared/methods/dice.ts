import { defineMethod } from './define-method.ts';
import { diceDetector } from './dice-detector.ts';
import { scoreParam } from './logit-score.ts';
import { percentParam } from './params.ts';

/** S = LSE((W ⊙ keep)·h + b): the head with only its largest contributions. */
export const dice = defineMethod({
  id: 'dice',
  title: 'DICE',
  source:
    'Sun and Li, DICE: Leveraging Sparsification for Out-of-Distribution Detection, ECCV 2022, eq. 4 and 5',
  params: { p: percentParam(90), score: scoreParam('energy') },
  build: ({ p, score }) => diceDetector({ percent: p, clip: { kind: 'none' }, score }),
});
