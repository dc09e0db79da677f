import { decodeSafetensors, encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import {
  blockCount,
  type Statistic,
  type StatisticRequest,
  type StatisticResults,
} from '../../../shared/statistics/contract.ts';
import { reduceRows } from '../../../shared/statistics/reduce-rows.ts';
import { portions, rowsOf } from '../methods/fit-and-score.ts';
import type { LabelledFeatures } from '../methods/sample-problem.ts';

/**
 * A statistic's result over a source whose blocks are reduced in `shards` runs, each saved as a file's bytes and
 * merged, last first.
 */
export async function reduce<R>(
  statistic: Statistic<R>,
  head: Head,
  source: LabelledFeatures,
  shards = 1,
): Promise<R> {
  const totalRows = source.rows;
  const merged = statistic.create({ head, totalRows });
  for (let shard = shards - 1; shard >= 0; shard--) {
    const [first, end] = [shard, shard + 1].map((i) =>
      Math.floor((i * blockCount(totalRows, head.classes)) / shards),
    );
    const blocks = { first: first!, end: end! };
    const { reducers, failures } = await reduceRows({
      statistics: [statistic],
      head,
      over: statistic.over,
      pass: 1,
      totalRows,
      blocks,
      openPass: () => portions(source, head.width, 61, rowsOf(blocks, totalRows, head)),
    });
    for (const error of failures.values()) throw error;
    merged.merge(decodeSafetensors(encodeSafetensors(reducers.get(statistic.key)!.save())).tensors);
  }
  return merged.result();
}

/** Runs statistics that need several passes. */
export async function reducePasses<R>(
  passes: Generator<StatisticRequest, R, StatisticResults>,
  head: Head,
  source: LabelledFeatures,
  shards = 1,
): Promise<R> {
  let step = passes.next();
  while (!step.done) {
    const results: Record<string, unknown> = {};
    for (const [name, statistic] of Object.entries(step.value))
      results[name] = await reduce(statistic, head, source, shards);
    step = passes.next(results);
  }
  return step.value;
}

/** A head without meaning, for statistics of features alone. */
export function headOfWidth(width: number): Head {
  return { classes: 1, width, weight: new Float32Array(width), bias: new Float32Array(1) };
}
