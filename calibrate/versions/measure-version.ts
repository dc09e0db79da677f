import { decodeEvaluation, type Evaluation } from '../../shared/artifact/evaluation.ts';
import {
  DEFAULT_MAX_DETECTOR_BYTES,
  type LoadedDetector,
  loadArtifactFile,
  loadDetector,
} from '../../shared/artifact/load-detector.ts';
import type { SelectedRows } from '../../shared/artifact/row-selection.ts';
import { accuracy } from '../../shared/metrics/accuracy.ts';
import { measureSeparation } from '../../shared/metrics/separation.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { openVersion } from '../../shared/store/versions.ts';
import { openRowScorer, type RowScorer } from '../calibration/row-scorer.ts';
import type { VersionReference } from './resolve-version.ts';

/** A version read whole: its detector, and the evaluation rows kept beside it. */
export interface StoredVersion {
  readonly detector: LoadedDetector;
  /** Undefined where the version was calibrated without evaluation and OOD sets. */
  readonly evaluation: Evaluation | undefined;
  /** SHA-256 of the evaluation rows. */
  readonly evaluationSha256: string | undefined;
}

/** How a detector does on evaluation rows. Shares are fractions of 1. */
export interface MeasuredVersion {
  readonly id: {
    readonly rows: number;
    /** Null where the rows have no labels. */
    readonly accuracy: number | null;
    /** Rows that γ accepts. */
    readonly accepted: number;
  };
  readonly ood: readonly {
    readonly name: string;
    readonly rows: number;
    readonly auroc: number;
    readonly fpr95: number;
  }[];
  /** One entry a row, first the ID rows, then each OOD set: 1 where γ accepts. */
  readonly decisions: Uint8Array;
}

/** Reads a version of a store, or what a channel promises. Throws as `loadDetector`. */
export async function readVersion(
  store: ObjectStore,
  detector: string,
  reference: VersionReference,
  options: CallOptions = {},
): Promise<StoredVersion> {
  const reader = openVersion(store, detector, reference.version, options);
  const loaded = await loadDetector(reader, reference);
  const { manifest } = loaded;
  const name = 'evaluation.safetensors';
  const entry = manifest.files.find((file) => file.name === name);
  const evaluation =
    entry && decodeEvaluation(await loadArtifactFile(reader, manifest, name, DEFAULT_MAX_DETECTOR_BYTES));
  return { detector: loaded, evaluation, evaluationSha256: entry?.sha256 };
}

/** Rows scored in one call. */
const ROWS = 256;

/** Scores evaluation rows, which must be as wide as the detector's head and have an ID set. */
export async function measureVersion(
  detector: LoadedDetector,
  { id, ood }: Evaluation & { readonly id: SelectedRows },
  { signal }: CallOptions = {},
): Promise<MeasuredVersion> {
  await using scorer = await openRowScorer(detector);
  const { gamma } = detector.document.threshold;
  const idScores = await scoreRows(scorer, id, detector.head.width, gamma, signal);
  const decisions = [idScores.decisions];
  const figures: MeasuredVersion['ood'][number][] = [];
  for (const { name, rows } of ood) {
    const scored = await scoreRows(scorer, rows, detector.head.width, gamma, signal);
    decisions.push(scored.decisions);
    const { auroc, fpr95 } = measureSeparation(idScores.score, scored.score);
    figures.push({ name, rows: rows.rows, auroc, fpr95 });
  }
  return {
    id: {
      rows: id.rows,
      accuracy: accuracy(idScores.predicted, id.labels),
      accepted: idScores.decisions.reduce((sum, decision) => sum + decision, 0),
    },
    ood: figures,
    decisions: Uint8Array.from(decisions.flatMap((part) => [...part])),
  };
}

async function scoreRows(
  scorer: RowScorer,
  { rows, features }: SelectedRows,
  width: number,
  gamma: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly score: Float64Array; readonly predicted: Int32Array; readonly decisions: Uint8Array }> {
  const score = new Float64Array(rows);
  const predicted = new Int32Array(rows);
  const decisions = new Uint8Array(rows);
  for (let first = 0; first < rows; first += ROWS) {
    throwIfAborted(signal);
    const count = Math.min(ROWS, rows - first);
    const part = features.slice(first * width, (first + count) * width);
    const scores = await scorer.score(part, count);
    for (let i = 0; i < count; i++) {
      score[first + i] = scores.score[i]!;
      predicted[first + i] = scores.predicted[i]!;
      decisions[first + i] = scores.score[i]! >= gamma && scores.flags[i] === 0 ? 1 : 0;
    }
  }
  return { score, predicted, decisions };
}
