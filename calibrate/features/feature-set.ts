import type { FeatureRows, SampleRange } from '../sources/contract.ts';

/** The penultimate features of everything in one role, on disk, whatever the sources were. */
export interface FeatureSet {
  /** What messages call it: `--train`, `--ood textures`. */
  readonly role: string;
  readonly kind: 'images' | 'features';
  readonly rows: number;
  /** Samples of the whole source, those that were passed over or lie outside the range included. */
  readonly samples: number;
  readonly width: number;
  /** Class index of each row, −1 where unknown. */
  readonly labels: Int32Array;
  /** Names the contents; see {@link SourceDigest}. */
  readonly digest: string;
  /** Images that were passed over because they cannot be decoded. */
  readonly skipped: number;
  /** Position of a row among `samples`. */
  readonly positionOf: (row: number) => number;
  /** What a row is called: the image's path in its source, or its position. */
  readonly nameOf: (row: number) => string;
  /** All rows (or those of a range) in order, at most `limit` at a time; the buffer is reused after the next step. */
  batches(limit: number, range?: SampleRange): AsyncIterable<FeatureRows>;
}

/** Rows per class, or null where some row has no label. */
export function countPerClass({ labels }: Pick<FeatureSet, 'labels'>, classes: number): number[] | null {
  const counts = new Array<number>(classes).fill(0);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!;
    if (label < 0) return null;
    counts[label]!++;
  }
  return counts;
}
