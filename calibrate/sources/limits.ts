/** What a source may cost. Data sets are often somebody else's, so everything that grows is bounded. */
export interface SourceLimits {
  /** Files in an archive or folder, images and others. */
  readonly entries: number;
  /** Different classes. */
  readonly classes: number;
  /** Encoded bytes of one image. */
  readonly imageBytes: number;
  /** Unpacked bytes of an archive. */
  readonly archiveBytes: number;
  /** How many times its packed size an archive may unpack to, … */
  readonly ratio: number;
  /** … once it has unpacked to more than this. */
  readonly ratioAfterBytes: number;
  /** Folders inside folders. */
  readonly depth: number;
}

/**
 * ImageNet-21k (14 million images, 1.3 TB) fits. A photograph hardly compresses further, and a tar of the tiniest
 * drawings, all padding, compresses less than 100-fold; zeros do 1000-fold.
 */
export const defaultSourceLimits: SourceLimits = {
  entries: 20_000_000,
  classes: 1_000_000,
  imageBytes: 64 * 2 ** 20,
  archiveBytes: 2 * 2 ** 40,
  ratio: 200,
  ratioAfterBytes: 64 * 2 ** 20,
  depth: 32,
};
