import { HimplosError } from '../errors.ts';
import type { Detector, Fit, Head } from '../methods/contract.ts';
import type { Tensors } from '../tensor.ts';
import type { SourceRows } from './batch-cutter.ts';
import type { Statistic, StatisticRequest } from './contract.ts';
import { type PassProgress, reduceRows } from './reduce-rows.ts';

/** What {@link runFits} works from. */
export interface FitOptions {
  readonly detectors: readonly Detector[];
  readonly head: Head;
  /** Rows of each source, counting those that will be skipped; 0 where there is no such source. */
  readonly totalRows: { readonly train: number; readonly calibration: number };
  /** Reads a source from its beginning. Called once a pass, so what it yields must be the same each time. */
  readonly openPass: (over: 'train' | 'calibration') => AsyncIterable<SourceRows>;
  /** Receives sentences for the user about a detector's fit. */
  readonly warn?: (sentence: string, detector: Detector) => void;
  /** Called after each portion of rows. */
  readonly onProgress?: (progress: PassProgress) => void;
  readonly signal?: AbortSignal;
}

/** How one detector's fit ended. */
export type FitOutcome =
  | { readonly detector: Detector; readonly tensors: Tensors; readonly error?: undefined }
  | { readonly detector: Detector; readonly tensors?: undefined; readonly error: HimplosError };

/**
 * Fits detectors, in the order given, with as few passes over the data as they allow: each round gathers what all
 * unfinished fits ask for, reads each source that is asked about once, and resumes them with the results.
 *
 * A fit that cannot go on (no labels, no calibration rows, singular statistics) ends with its error and leaves the
 * others alone. Throws what concerns all of them: `bad-input` for rows that are malformed, `interrupted`.
 */
export async function runFits(options: FitOptions): Promise<FitOutcome[]> {
  const { detectors, head, totalRows, warn } = options;
  const runs = detectors.map((detector): Run => {
    const context = {
      head,
      trainRows: totalRows.train,
      warn: (sentence: string) => warn?.(sentence, detector),
    };
    return { detector, fit: detector.fit(context), request: {}, outcome: undefined };
  });
  for (const run of runs) resume(run, () => run.fit.next());
  let pass = 0;
  const rowsSeen: Record<string, number> = {};
  for (let open = runs.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
    const results = new Map<string, unknown>();
    for (const over of ['train', 'calibration'] as const) {
      const statistics = gather(open, over);
      if (statistics.length === 0) continue;
      if (totalRows[over] === 0) {
        for (const { key } of statistics) results.set(key, missingSource(over));
        continue;
      }
      pass++;
      const reduced = await reduceRows({ ...options, statistics, over, pass, totalRows: totalRows[over] });
      const before = rowsSeen[over] ?? reduced.rows;
      if (before !== reduced.rows) throw changedSource(over, before, reduced.rows);
      rowsSeen[over] = reduced.rows;
      for (const [key, reducer] of reduced.reducers)
        results.set(
          key,
          attempt(() => reducer.result()),
        );
      for (const [key, error] of reduced.failures) results.set(key, error);
    }
    for (const run of open) {
      const asked = Object.entries(run.request).map(([name, { key }]) => [name, results.get(key)] as const);
      const failure = asked.map(([, result]) => result).find((result) => result instanceof HimplosError);
      resume(run, () =>
        failure === undefined ? run.fit.next(Object.fromEntries(asked)) : run.fit.throw(failure),
      );
    }
  }
  return runs.map((run) => run.outcome!);
}

/** Fits one detector, and throws its error where {@link runFits} would return it. */
export async function runFit(detector: Detector, options: Omit<FitOptions, 'detectors'>): Promise<Tensors> {
  const [outcome] = await runFits({ ...options, detectors: [detector] });
  if (outcome!.error !== undefined) throw outcome!.error;
  return outcome!.tensors!;
}

interface Run {
  readonly detector: Detector;
  readonly fit: Fit;
  /** What the fit waits for. */
  request: StatisticRequest;
  outcome: FitOutcome | undefined;
}

function isOpen(run: Run): boolean {
  return run.outcome === undefined;
}

function resume(run: Run, step: () => IteratorResult<StatisticRequest, Tensors>): void {
  const { detector } = run;
  const result = attempt(step);
  if (result instanceof HimplosError) run.outcome = { detector, error: result };
  else if (result.done) run.outcome = { detector, tensors: result.value };
  else run.request = result.value;
}

/** The statistics that open fits want from one source, each key once. */
function gather(open: readonly Run[], over: 'train' | 'calibration'): Statistic<unknown>[] {
  const byKey = new Map<string, Statistic<unknown>>();
  for (const { request } of open) {
    for (const statistic of Object.values(request)) {
      if (statistic.over === over && !byKey.has(statistic.key)) byKey.set(statistic.key, statistic);
    }
  }
  return [...byKey.values()];
}

/** A known error as a value; anything else is a bug and goes through. */
function attempt<T>(action: () => T): T | HimplosError {
  try {
    return action();
  } catch (error) {
    if (error instanceof HimplosError) return error;
    throw error;
  }
}

function missingSource(over: string): HimplosError {
  return new HimplosError('bad-usage', `the method needs ${over} data, and there is none`, {
    hint: `give --${over}`,
  });
}

function changedSource(over: string, before: number, now: number): HimplosError {
  return new HimplosError(
    'bad-input',
    `the ${over} data had ${before} rows, and ${now} when it was read again`,
    {
      hint: 'do not change the data while it is calibrated on',
    },
  );
}
