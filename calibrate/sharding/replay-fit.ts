import type { Detector, Head } from '../../shared/methods/contract.ts';
import type { Statistic } from '../../shared/statistics/contract.ts';
import type { Tensors } from '../../shared/tensor.ts';

/** Merged states of one pass's statistics, by key. */
export type PassStates = ReadonlyMap<string, Tensors>;

/** What a fit is replayed from. */
export interface ReplayOptions {
  readonly detector: Detector;
  readonly head: Head;
  /** Samples of each source, counting those that were passed over. */
  readonly totalRows: { readonly train: number; readonly calibration: number };
  /** The passes that are done, the first one first. */
  readonly passes: readonly PassStates[];
  readonly warn: (sentence: string) => void;
}

/** How far a fit gets. */
export type Replay =
  | { readonly tensors: Tensors; readonly pass?: undefined; readonly statistics?: undefined }
  /** Which pass (from 1) it waits for, and the statistics of it, each key once. */
  | {
      readonly tensors?: undefined;
      readonly pass: number;
      readonly statistics: readonly Statistic<unknown>[];
    };

/**
 * Runs a fit on stored statistics, as far as there are any. Throws what the fit throws, and `bad-input` for states that
 * are not those of its statistics.
 */
export function replayFit({ detector, head, totalRows, passes, warn }: ReplayOptions): Replay {
  const fit = detector.fit({ head, trainRows: totalRows.train, warn });
  let step = fit.next();
  for (let pass = 1; !step.done; ) {
    const request = Object.entries(step.value);
    if (request.length === 0) {
      step = fit.next({});
      continue;
    }
    const states = passes[pass - 1];
    if (states === undefined) {
      const byKey = new Map(request.map(([, statistic]) => [statistic.key, statistic]));
      return { pass, statistics: [...byKey.values()] };
    }
    const results = request.map(([name, statistic]) => {
      const reducer = statistic.create({ head, totalRows: totalRows[statistic.over] });
      reducer.merge(states.get(statistic.key) ?? {});
      return [name, reducer.result()] as const;
    });
    step = fit.next(Object.fromEntries(results));
    pass++;
  }
  return { tensors: step.value };
}
