import { argmax } from '../maths/logit-sums.ts';
import type { Head, Scorer } from './contract.ts';

/** The score of one row: L features from `at` on, C original logits from `logitsAt` on, and their argmax. */
export type ScoreRow = (
  features: Float32Array,
  at: number,
  logits: Float64Array,
  logitsAt: number,
  predicted: number,
) => number;

/** Scores of up to {@link BLOCK_ROWS} rows, into `scores` from 0 on. */
export type ScoreBlock = (
  features: Float32Array,
  at: number,
  logits: Float64Array,
  logitsAt: number,
  rows: number,
  scores: Float64Array,
) => void;

/** The most rows of a block: they share one pass over a large matrix. 64 × 2048 float64 are 1 MiB. */
export const BLOCK_ROWS = 64;

/**
 * A scorer without a cosine from a function of one row.
 * @param flagsOf FLAG_… bits by predicted class; none by default
 */
export function rowScorer(
  { classes, width }: Head,
  scoreRow: ScoreRow,
  flagsOf: (predicted: number) => number = () => 0,
): Scorer {
  return {
    score(features, logits, rows, out) {
      for (let row = 0; row < rows; row++) {
        const predicted = argmax(logits, row * classes, classes);
        out.score[row] = scoreRow(features, row * width, logits, row * classes, predicted);
        out.predicted[row] = predicted;
        out.cosine[row] = Number.NaN;
        out.flags[row] = flagsOf(predicted);
      }
    },
  };
}

/** The same from a function of several rows, for methods that multiply rows by a large matrix. */
export function blockScorer({ classes, width }: Head, scoreBlock: ScoreBlock): Scorer {
  const scores = new Float64Array(BLOCK_ROWS);
  return {
    score(features, logits, rows, out) {
      for (let first = 0; first < rows; first += BLOCK_ROWS) {
        const count = Math.min(BLOCK_ROWS, rows - first);
        scoreBlock(features, first * width, logits, first * classes, count, scores);
        for (let i = 0; i < count; i++) {
          const row = first + i;
          out.score[row] = scores[i]!;
          out.predicted[row] = argmax(logits, row * classes, classes);
          out.cosine[row] = Number.NaN;
          out.flags[row] = 0;
        }
      }
    },
  };
}
