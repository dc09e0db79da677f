import { requireFinite } from '../../shared/maths/require-finite.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import { conformalPValue } from '../../shared/metrics/p-values.ts';
import { isOutOfDistribution, warningsOf } from '../../shared/protocol/answer.ts';
import type { Observer, ServingDetector } from '../http/service.ts';
import { RankCounts } from './discoveries.ts';
import type { OutputSpool } from './output-spool.ts';
import { BLOCK_ROWS, type SampleBlock } from './read-samples.ts';

/** What is counted over an input. */
export interface Tally {
  rows: number;
  outOfDistribution: number;
  readonly ranks: RankCounts;
}

/** A tally of nothing. */
export function emptyTally({ calibrationScores }: ServingDetector): Tally {
  return { rows: 0, outOfDistribution: 0, ranks: new RankCounts(calibrationScores.length) };
}

/**
 * Scores blocks as they come, a line each sample, in the order of the input. The fields are those of every other
 * answer, with `row`, and `id` where the input has one. Throws what the blocks throw, and `bad-input` naming the row
 * of a number that is not finite.
 */
export async function scoreBlocks(
  blocks: AsyncIterable<SampleBlock>,
  serving: ServingDetector,
  tally: Tally,
  spool: OutputSpool,
  observer: Observer,
): Promise<void> {
  const scores = allocateScores(BLOCK_ROWS);
  const { width } = serving.contents.head;
  const { gamma, classNames, calibrationScores } = serving;
  for await (const { firstRow, rows, features, ids } of blocks) {
    requireFinite(features, rows, width, firstRow, 'the input');
    serving.scorer.score(features, rows, scores);
    observer.scored(serving, scores, rows);
    let text = '';
    for (let row = 0; row < rows; row++) {
      const score = scores.score[row]!;
      const flags = scores.flags[row]!;
      const cosine = scores.cosine[row]!;
      const predicted = scores.predicted[row]!;
      const pValue = conformalPValue(calibrationScores, score);
      const isOod = isOutOfDistribution(score, flags, gamma);
      if (isOod) tally.outOfDistribution++;
      tally.ranks.add(pValue);
      const line = {
        row: firstRow + row,
        ...(ids?.[row] !== undefined && { id: ids[row] }),
        score,
        decision: isOod ? 'ood' : 'id',
        predicted_class: predicted,
        predicted_name: classNames[predicted]!,
        p_value: pValue,
        cosine: Number.isNaN(cosine) ? null : cosine,
        warnings: warningsOf(flags),
      };
      text += `${JSON.stringify(line)}\n`;
    }
    tally.rows += rows;
    await spool.write(text);
  }
}
