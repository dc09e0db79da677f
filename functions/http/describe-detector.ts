import type { ServingDetector } from './service.ts';

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
    width: document.width,
    classes: document.classes,
    class_names: document.classNames,
    missing_classes: document.missingClasses,
    metrics: document.metrics,
    warnings: document.warnings,
    tool_version: document.toolVersion,
    engine: serving.scorer.engine,
    confirmed_at: new Date(serving.confirmedAtMs).toISOString(),
  };
}
