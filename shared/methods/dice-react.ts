import { defineMethod } from './define-method.ts';
import { diceDetector } from './dice-detector.ts';
import { scoreParam } from './logit-score.ts';
import { percentParam } from './params.ts';
import { clipParam } from './shaping/clip.ts';

/** S = LSE((W ⊙ keep)·min(h, λ) + b), the entries to keep chosen from unclipped training features. */
export const diceReact = defineMethod({
  id: 'dice-react',
  title: 'DICE + ReAct',
  source:
    'Sun and Li, DICE: Leveraging Sparsification for Out-of-Distribution Detection, ECCV 2022, section 4.2',
  params: { p: percentParam(90), clip: clipParam('1.0'), score: scoreParam('energy') },
  build: ({ p, clip, score }) => diceDetector({ percent: p, clip, score }),
});
