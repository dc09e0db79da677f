import { decodeSafetensors, encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { applyLinearTo } from '../../../shared/maths/linear.ts';
import {
  allocateScores,
  type Detector,
  type Head,
  type Scorer,
  type Scores,
} from '../../../shared/methods/contract.ts';
import type { SourceRows } from '../../../shared/statistics/batch-cutter.ts';
import { blockCount, blockRows, type StatisticResults } from '../../../shared/statistics/contract.ts';
import { reduceRows } from '../../../shared/statistics/reduce-rows.ts';
import { runFit } from '../../../shared/statistics/run-fit.ts';
import type { Tensors } from '../../../shared/tensor.ts';
import type { LabelledFeatures, Problem } from './sample-problem.ts';

type Data = Pick<Problem, 'head' | 'train' | 'calibration'>;

/** Fits in one process, rows arriving `portion` at a time. */
export function fitDetector(
  detector: Detector,
  { head, train, calibration }: Data,
  portion = 64,
): Promise<Tensors> {
  return runFit(detector, {
    head,
    totalRows: { train: train.rows, calibration: calibration.rows },
    openPass: (over) => portions(over === 'train' ? train : calibration, head.width, portion),
  });
}

/**
 * Fits from partial results: the blocks of each pass are cut at `cuts` (fractions of the source), each piece is
 * reduced alone, saved as a file's bytes and merged, last piece first.
 */
export async function fitInShards(detector: Detector, data: Data, cuts: readonly number[]): Promise<Tensors> {
  const { head } = data;
  const fitting = detector.fit({ head, trainRows: data.train.rows, warn: () => {} });
  let step = fitting.next();
  while (!step.done) {
    const results: Record<string, unknown> = {};
    for (const [name, statistic] of Object.entries(step.value)) {
      const source = data[statistic.over];
      const count = blockCount(source.rows, head.classes);
      const ends = [...cuts.map((cut) => Math.floor(cut * count)), count];
      const merged = statistic.create({ head, totalRows: source.rows });
      for (let piece = ends.length - 1; piece >= 0; piece--) {
        const blocks = { first: ends[piece - 1] ?? 0, end: ends[piece]! };
        if (blocks.first === blocks.end) continue;
        const { reducers } = await reduceRows({
          statistics: [statistic],
          head,
          over: statistic.over,
          pass: 1,
          totalRows: source.rows,
          blocks,
          openPass: () => portions(source, head.width, 50, rowsOf(blocks, source.rows, head)),
        });
        const bytes = encodeSafetensors(reducers.get(statistic.key)!.save());
        merged.merge(decodeSafetensors(bytes).tensors);
      }
      results[name] = merged.result();
    }
    step = fitting.next(results as StatisticResults);
  }
  return step.value;
}

/** Scores all rows at once, or `batch` at a time. */
export function scoreAll(
  scorer: Scorer,
  head: Head,
  { rows, features }: LabelledFeatures,
  batch = rows,
): Scores {
  const all = allocateScores(rows);
  const { width } = head;
  for (let row = 0; row < rows; row += batch) {
    const count = Math.min(batch, rows - row);
    const part = features.slice(row * width, (row + count) * width);
    const out = allocateScores(count);
    scorer.score(part, logitsOf(head, part, count), count, out);
    all.score.set(out.score, row);
    all.predicted.set(out.predicted, row);
    all.cosine.set(out.cosine, row);
    all.flags.set(out.flags, row);
  }
  return all;
}

/** rows × C logits in float64. */
export function logitsOf(head: Head, features: Float32Array, rows: number): Float64Array {
  const logits = new Float64Array(rows * head.classes);
  applyLinearTo(head, features, rows, new Float64Array(rows * head.width), logits);
  return logits;
}

/** The rows in a run of blocks. */
export function rowsOf(blocks: Range, totalRows: number, { classes }: Head): Range {
  const perBlock = blockRows(totalRows, classes);
  return { first: blocks.first * perBlock, end: Math.min(totalRows, blocks.end * perBlock) };
}

interface Range {
  readonly first: number;
  readonly end: number;
}

/** The rows of a source (or a range of them), `portion` at a time, through one buffer used again and again. */
export async function* portions(
  { rows, features, labels }: LabelledFeatures,
  width: number,
  portion: number,
  { first, end }: Range = { first: 0, end: rows },
): AsyncGenerator<SourceRows> {
  const buffer = new Float32Array(portion * width);
  for (let row = first; row < end; row += portion) {
    const count = Math.min(portion, end - row);
    buffer.fill(Number.NaN).set(features.subarray(row * width, (row + count) * width));
    yield { rows: count, firstRow: row, features: buffer, labels: labels.subarray(row, row + count) };
  }
}
