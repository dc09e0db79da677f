/**
 * The importable API: `import { openDetector } from 'himplos'`. Scores penultimate features with a calibrated
 * detector, the same way as the command line and the functions do.
 */
import { loadDetector } from '../shared/artifact/load-detector.ts';
import { HimplosError } from '../shared/errors.ts';
import { applyLinearTo } from '../shared/maths/linear.ts';
import { requireFinite } from '../shared/maths/require-finite.ts';
import { allocateScores } from '../shared/methods/contract.ts';
import { findDetector } from '../shared/methods/registry.ts';
import { openArtifactFolder } from '../shared/store/artifact-folder.ts';
import { type Answer, answerOf } from './calibration/answer.ts';

export type { Answer };
export { HimplosError };

/** A detector in memory. */
export interface OpenDetector {
  /** SHA-256 that identifies it. */
  readonly version: string;
  /** Canonical method spec. */
  readonly method: string;
  /** γ: a score below it is out-of-distribution. */
  readonly threshold: number;
  readonly classNames: readonly string[];
  /** L, the number of penultimate features of a sample. */
  readonly width: number;
  /**
   * Scores samples.
   * @param features rows × L, row-major, finite
   * @returns one answer a row; higher scores are more in-distribution
   * Throws `bad-input` when the length is no multiple of L or a number is not finite.
   */
  score(features: Float32Array): Answer[];
}

/** Opens the folder that `himplos calibrate --out` wrote. Throws `not-found`, or `bad-artifact` when it is damaged. */
export async function openDetector(folder: string): Promise<OpenDetector> {
  const stored = await loadDetector(openArtifactFolder(folder));
  const { head, tensors, document, version } = stored;
  const scorer = findDetector(document.method).prepare(head, tensors);
  return {
    version,
    method: document.method,
    threshold: document.threshold.gamma,
    classNames: document.classNames,
    width: head.width,
    score: (features) => {
      const rows = features.length / head.width;
      if (!Number.isInteger(rows)) {
        throw new HimplosError(
          'bad-input',
          `expected rows of ${head.width} features, got ${features.length} numbers`,
        );
      }
      requireFinite(features, rows, head.width);
      const logits = new Float64Array(rows * head.classes);
      applyLinearTo(head, features, rows, new Float64Array(features.length), logits);
      const scores = allocateScores(rows);
      scorer.score(features, logits, rows, scores);
      return Array.from({ length: rows }, (_, row) => answerOf(stored, `row ${row}`, scores, row));
    },
  };
}
