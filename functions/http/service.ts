import type { DetectorContents } from '../../shared/artifact/detector.ts';
import type { FeatureScorer } from '../../shared/kernel/prepare-scorer.ts';
import type { Detector, Scores } from '../../shared/methods/contract.ts';
import type { AnswerContext } from '../../shared/protocol/answer.ts';

/** A version of a detector, whole and verified, ready to score. */
export interface ServingDetector extends AnswerContext {
  readonly contents: DetectorContents;
  readonly detector: Detector;
  readonly scorer: FeatureScorer;
  /** Turns images into features; absent where only features are scored, or the detector has no model. */
  readonly images?: ImageModel | undefined;
  /** When the channel last confirmed this version: milliseconds since 1970. */
  readonly confirmedAtMs: number;
}

/** A detector's classifier, up to its features. */
export interface ImageModel {
  /**
   * Decodes, preprocesses and runs encoded images.
   * @returns their features, rows × L, in the order of the images
   * Throws, naming the image by its position: `bad-input`, `unsupported` or `too-large` for one that cannot be used;
   * `too-large` when they take longer than `budgetMs`; `bad-model` when the model itself fails.
   */
  run(images: readonly Uint8Array[], budgetMs: number): Promise<Float32Array>;
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
  stage(name: 'acquire' | 'parse' | 'images' | 'score' | 'respond', milliseconds: number): void;
  failed(error: unknown, status: number): void;
}
