import { argmax } from '../maths/logit-sums.ts';
import type { Detector, Scorer } from './contract.ts';
import { graphScore, type LogitScore, scoreLogits } from './logit-score.ts';

/** A detector that looks at the classifier's own logits and nothing else: no statistics, no tensors. */
export function logitDetector(score: LogitScore): Omit<Detector, 'spec'> {
  return {
    // biome-ignore lint/correctness/useYield: no statistics are needed, so no pass is asked for
    *fit() {
      return {};
    },
    prepare: ({ classes }): Scorer => ({
      score(_features, logits, rows, out) {
        for (let row = 0; row < rows; row++) {
          out.score[row] = scoreLogits(score, logits, row * classes, classes);
          out.predicted[row] = argmax(logits, row * classes, classes);
          out.cosine[row] = Number.NaN;
          out.flags[row] = 0;
        }
      },
    }),
    graph: (builder, { logits }) => ({ score: graphScore(builder, score, logits) }),
  };
}
