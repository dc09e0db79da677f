import { histogramOf } from './histogram.ts';
import type { ServingDetector } from './service.ts';

const HISTOGRAM_BINS = 40;

/** What `GET /v1/detector` sends: what a caller must know to use the detector and judge its answers. */
export function describeDetector(name: string, serving: ServingDetector): object {
  const { document } = serving.contents;
  return {
    name,
    artifact_version: serving.version,
    method: serving.method,
    gamma: serving.gamma,
    tpr: document.threshold.tpr,
    calibration_scores: document.threshold.calibrationScores,
    calibration_histogram: histogramOf(serving.calibrationScores, HISTOGRAM_BINS),
    width: document.width,
    classes: document.classes,
    class_names: document.classNames,
    missing_classes: document.missingClasses,
    metrics: document.metrics,
    warnings: document.warnings,
    tool_version: document.toolVersion,
    takes_images: serving.images !== undefined,
    engine: serving.scorer.engine,
    confirmed_at: new Date(serving.confirmedAtMs).toISOString(),
  };
}
