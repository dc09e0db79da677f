import { collect, type StatisticRequest, type StatisticResults } from '../statistics/contract.ts';
import { nllSlopes } from '../statistics/nll-slopes.ts';
import { f64, type Tensors } from '../tensor.ts';
import type { FitContext } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { logitDetector } from './logit-method.ts';
import type { LogitScore } from './logit-score.ts';
import { requireTensor } from './require-tensor.ts';

/** Inverse temperatures looked at first; the fitted one lies between two of them. */
const GRID = Array.from({ length: 21 }, (_, i) => 2 ** (i - 10));
const MAX_PASSES = 40;

/**
 * S = max softmax(f/T*), T* the temperature at which the labelled calibration rows are most likely. Where there is
 * none (every row is classified correctly, so the likelihood rises for T → 0, or the classifier is no better than
 * chance, T → ∞; beyond 2^±10 counts as such), T* = 1, with a warning.
 *
 * Tensor: `temperature`, F64 without dimensions.
 */
export const tempScale = defineMethod({
  id: 'tempscale',
  title: 'TempScale',
  source: 'Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2',
  params: {},
  build: () => ({
    *fit({ warn }) {
      const beta = yield* mostLikelyBeta(warn);
      return { temperature: f64(Float64Array.of(1 / beta)) };
    },
    prepare: (head, tensors) => logitDetector(readScore(tensors)).prepare(head, {}),
    graph: (builder, inputs, head, tensors) =>
      logitDetector(readScore(tensors)).graph!(builder, inputs, head, {}),
  }),
});

/**
 * Minimises the negative log-likelihood over β = 1/T, in which it is convex: one pass over a grid of powers of two,
 * then Newton steps, one pass each, that bisect whenever they would leave the bracket.
 */
function* mostLikelyBeta(warn: FitContext['warn']): Generator<StatisticRequest, number, StatisticResults> {
  const { grid } = yield* collect({ grid: nllSlopes(GRID) });
  const above = grid.slopes.findIndex((slope) => slope > 0);
  if (above <= 0) {
    const reason = above === 0 ? 'it is no better than chance' : 'it makes no mistake on them';
    warn(`No temperature fits the classifier to the calibration labels (${reason}); 1 is used, as for MSP.`);
    return 1;
  }
  let low = GRID[above - 1]!;
  let high = GRID[above]!;
  let beta = Math.sqrt(low * high);
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const { at } = yield* collect({ at: nllSlopes([beta]) });
    const slope = at.slopes[0]!;
    if (slope > 0) high = beta;
    else low = beta;
    const newton = beta - slope / at.curvatures[0]!;
    const next = newton > low && newton < high ? newton : (low + high) / 2;
    const step = Math.abs(next - beta);
    beta = next;
    if (step <= 1e-12 * beta) break;
  }
  return beta;
}

function readScore(tensors: Tensors): LogitScore {
  return { kind: 'softmax', temperature: requireTensor(tensors, 'temperature', 'F64', [])[0]! };
}
