import type { DetectorContents } from '../../shared/artifact/detector.ts';
import type { FeatureScorer } from '../../shared/kernel/prepare-scorer.ts';
import type { Detector, Scores } from '../../shared/methods/contract.ts';
import type { AnswerContext } from '../../shared/protocol/answer.ts';

/** A version of a detector, whole and verified, ready to score. */
export interface ServingDetector extends AnswerContext {
  readonly contents: DetectorContents;
  readonly detector: Detector;
  readonly scorer: FeatureScorer;
  /** When the channel last confirmed this version: milliseconds since 1970. */
  readonly confirmedAtMs: number;
}

/** Where requests get the detector from. */
export interface DetectorSource {
  /** Throws `unavailable`, `bad-artifact` or `not-found` when no version can be served. */
  acquire(): Promise<ServingDetector>;
}

/** Told about everything that telemetry counts; must not throw. */
export interface Observer {
  scored(serving: ServingDetector, scores: Scores, rows: number): void;
  /** How long a stage of a request took. */
  stage(name: 'acquire' | 'parse' | 'score' | 'respond', milliseconds: number): void;
  failed(error: unknown, status: number): void;
}
