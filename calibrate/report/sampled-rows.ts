import type { FeatureSet } from '../features/feature-set.ts';

/** Some rows of a set. */
export interface SampledRows {
  readonly rows: number;
  readonly width: number;
  /** rows × width. */
  readonly features: Float32Array;
  /** Label of each; −1 where unknown. */
  readonly labels: Int32Array;
}

/** At most `limit` rows, evenly spaced over the set, so that sets in the order of their classes are covered. */
export async function sampleRows(
  set: Pick<FeatureSet, 'rows' | 'width' | 'labels' | 'batches'>,
  limit: number,
): Promise<SampledRows> {
  const { width } = set;
  const count = Math.min(limit, set.rows);
  const features = new Float32Array(count * width);
  const labels = new Int32Array(count);
  let taken = 0;
  for await (const batch of set.batches(512)) {
    for (let row = 0; row < batch.rows && taken < count; row++) {
      if (batch.firstRow + row !== Math.floor((taken * set.rows) / count)) continue;
      features.set(batch.features.subarray(row * width, (row + 1) * width), taken * width);
      labels[taken] = set.labels[batch.firstRow + row]!;
      taken++;
    }
  }
  return { rows: count, width, features, labels };
}
