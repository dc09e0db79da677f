import type {
  DataSummary,
  DetectorModel,
  DetectorThreshold,
  DetectorTuning,
} from '../../shared/artifact/detector-document.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import type { Head, Scores } from '../../shared/methods/contract.ts';
import type { Results } from '../results/results.ts';
import type { SweepResults } from '../results/sweep-results.ts';
import type { LineLabels } from '../results/table.ts';
import type { SampledRows } from './sampled-rows.ts';

/** Everything that a report shows; drawing it needs nothing else, and gives the same page every time. */
export interface ReportData {
  readonly title: string;
  readonly toolVersion: string;
  /** What was run: a sentence for the head of the page. */
  readonly summary: string;
  readonly results: Results;
  /** How the lines of `results` are labelled, where not by method. */
  readonly labels?: LineLabels | undefined;
  /** Curves to draw; `results` are its own then. */
  readonly sweep?: SweepResults | undefined;
  /** The method whose scores are drawn. */
  readonly detailed: DetailedMethod;
  /** γ and its promise; undefined where no detector was made. */
  readonly threshold?: DetectorThreshold | undefined;
  /** How the detector's parameters were chosen, where they were. */
  readonly tuning?: DetectorTuning | undefined;
  /** The method with its parts switched off. */
  readonly ablation?: { readonly results: Results; readonly labels: LineLabels } | undefined;
  readonly head: Head;
  readonly classNames: readonly string[];
  /** Some rows of the ID set, then of each OOD set. */
  readonly samples: readonly { readonly name: string; readonly sample: SampledRows }[];
  readonly model: DetectorModel | null;
  readonly preprocessing: Preprocessing | null;
  /** What went in, by role. */
  readonly data: readonly (DataSummary & { readonly role: string })[];
  /** Small pictures as data addresses by {@link thumbnailKey}; empty unless asked for. */
  readonly thumbnails: ReadonlyMap<string, string>;
}

/** A method with its scores of every set. */
export interface DetailedMethod {
  readonly spec: string;
  readonly id: ScoredSet;
  readonly ood: readonly ScoredSet[];
}

export interface ScoredSet {
  readonly name: string;
  readonly scores: Scores;
  /** Class of each row; −1 where unknown. */
  readonly labels: Int32Array;
  readonly nameOf: (row: number) => string;
}

/** Which picture a thumbnail is of. */
export function thumbnailKey(set: string, sample: string): string {
  return `${set}\0${sample}`;
}
