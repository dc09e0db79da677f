/** One encoded image of a source. */
export interface Sample {
  /** Path inside the source, for messages and results. */
  readonly name: string;
  /** Class folder (or WebDataset class, or imglist label) as text; undefined where the source has no classes. */
  readonly label: string | undefined;
  readonly bytes: Uint8Array;
}

/** Samples `first` up to, not including, `end`, counted from 0 over the whole source. */
export interface SampleRange {
  readonly first: number;
  readonly end: number;
}

/** What a first, cheap look over an image source finds (no image is decoded). */
export interface Survey {
  readonly samples: number;
  /** Images per class label, in order of first appearance; empty for sources without classes. */
  readonly classes: ReadonlyMap<string, number>;
  /** Class folders that hold no image at all. */
  readonly emptyClasses: readonly string[];
  /**
   * Whether the labels are positions among the logits, written as numbers (imglists and WebDataset pairs of which
   * every label is a whole number). Folder names never are: a folder `10` sorts before a folder `2`.
   */
  readonly labelsAreIndices: boolean;
  /** Files that were passed over because they are hidden or not images. */
  readonly ignored: number;
}

/** Encoded images, streamed in a stable order. */
export interface ImageSource {
  readonly kind: 'images';
  /** As the user wrote it. */
  readonly address: string;
  survey(): Promise<Survey>;
  /**
   * Every image (or those of a range) once, in the same order each time. At most a few are in memory. What lies before
   * a range is passed over without being read, where the kind of source allows that (an archive's bytes have to go by).
   */
  samples(range?: SampleRange): AsyncIterable<Sample>;
}

/** Ready-made penultimate features. */
export interface FeatureSource {
  readonly kind: 'features';
  readonly address: string;
  readonly rows: number;
  readonly width: number;
  /** One class index a row, where the source has labels. */
  readonly labels: Int32Array | undefined;
  /** All rows (or those of a range) in order, at most `rows` at a time; the buffer is reused after the next step. */
  batches(rows: number, range?: SampleRange): AsyncIterable<FeatureRows>;
}

export interface FeatureRows {
  readonly rows: number;
  /** Counted over the whole source, also in a range. */
  readonly firstRow: number;
  /** rows × width; float64 files are rounded to float32. */
  readonly features: Float32Array;
}

export type Source = ImageSource | FeatureSource;
