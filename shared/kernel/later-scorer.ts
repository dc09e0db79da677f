import type { KernelModule } from './kernel-module.ts';
import { type FeatureScorer, type FittedDetector, prepareScorer } from './prepare-scorer.ts';

/**
 * As `prepareScorer`, but prepared when it is first used: where scores mostly come from elsewhere. What 1000 classes of
 * 1280 features need takes 20 ms in a new process. For methods of the form of `MaskedHead`: of those, tensors that are
 * missing or of another shape are thrown for at once.
 */
export function prepareScorerLater(fitted: FittedDetector, module: KernelModule | undefined): FeatureScorer {
  fitted.detector.maskedHead?.(fitted.head, fitted.tensors);
  let made: FeatureScorer | undefined;
  const scorer = () => {
    made ??= prepareScorer(fitted, module, { isDeferred: true });
    return made;
  };
  return {
    get engine() {
      return scorer().engine;
    },
    score: (features, rows, out) => scorer().score(features, rows, out),
    finish: () => made?.finish?.(),
  };
}
