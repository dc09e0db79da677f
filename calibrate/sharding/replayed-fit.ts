import type { Detector, Fit, Head } from '../../shared/methods/contract.ts';
import type { Statistic, StatisticRequest } from '../../shared/statistics/contract.ts';
import type { Tensors } from '../../shared/tensor.ts';

/** Merged states of one pass's statistics, by key. */
export type PassStates = ReadonlyMap<string, Tensors>;

/** What a fit is replayed for. */
export interface ReplayOptions {
  readonly detector: Detector;
  readonly head: Head;
  /** Samples of each source, counting those that were passed over. */
  readonly totalRows: { readonly train: number; readonly calibration: number };
}

/** Where a fit stands: at its end, or waiting for a pass (from 1) with these statistics, each key once. */
export type FitState =
  | { readonly tensors: Tensors; readonly pass?: undefined; readonly statistics?: undefined }
  | {
      readonly tensors?: undefined;
      readonly pass: number;
      readonly statistics: readonly Statistic<unknown>[];
    };

/** A fit that is fed with statistics somebody else has summed up. */
export class ReplayedFit {
  /** What the fit has to tell the user. */
  readonly warnings: string[] = [];
  readonly #options: ReplayOptions;
  readonly #fit: Fit;
  #request: StatisticRequest = {};
  #state: FitState;

  constructor(options: ReplayOptions) {
    const { detector, head, totalRows } = options;
    this.#options = options;
    const warn = (sentence: string) => void this.warnings.push(sentence);
    this.#fit = detector.fit({ head, trainRows: totalRows.train, warn });
    this.#state = this.#follow(this.#fit.next(), 1);
  }

  get state(): FitState {
    return this.#state;
  }

  /**
   * Gives the fit the pass that it waits for. Throws what the fit throws, and `bad-input` for states that are not those
   * of its statistics.
   */
  resume(states: PassStates): void {
    const { pass = 0 } = this.#state;
    const { head, totalRows } = this.#options;
    const results = Object.entries(this.#request).map(([name, { key, over, create }]) => {
      const reducer = create({ head, totalRows: totalRows[over] });
      reducer.merge(states.get(key) ?? {});
      return [name, reducer.result()] as const;
    });
    this.#state = this.#follow(this.#fit.next(Object.fromEntries(results)), pass + 1);
  }

  /** A request for nothing is no pass. */
  #follow(step: ReturnType<Fit['next']>, pass: number): FitState {
    let next = step;
    while (!next.done && Object.keys(next.value).length === 0) next = this.#fit.next({});
    if (next.done) return { tensors: next.value };
    this.#request = next.value;
    const byKey = new Map(Object.values(next.value).map((statistic) => [statistic.key, statistic]));
    return { pass, statistics: [...byKey.values()] };
  }
}
