import { HimplosError } from '../../shared/errors.ts';
import type { Comparison } from '../calibration/compare-methods.ts';
import type { CalibrationSets } from '../calibration/gather-inputs.ts';
import { bootstrapIntervals } from './bootstrap.ts';
import { measureId, separate } from './measure.ts';
import { foldsOf, pairedTests } from './paired-test.ts';
import type { ResultRow, Results } from './results.ts';
import { averageGroups } from './set-groups.ts';

/** What to measure beside the plain figures. */
export interface MeasureOptions {
  /** Names of near OOD sets. */
  readonly near?: readonly string[] | undefined;
  readonly bootstrap?: { readonly replicates: number; readonly seed: number } | undefined;
  /** Canonical spec of the method that the others are tested against. */
  readonly baseline?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * The figures of compared methods on every OOD set, with what was asked for beside them. Throws `bad-input` when no
 * method could be fitted, or not the baseline.
 */
export function measureComparison(
  { methods, skipped, warnings, idSet }: Comparison,
  sets: CalibrationSets,
  { near, bootstrap, baseline, signal }: MeasureOptions,
): Results {
  const [first] = methods;
  if (first === undefined) throw noMethod(skipped);
  const allWarnings = [...warnings];
  let rows: readonly ResultRow[] = methods.flatMap(({ spec, id, ood }) => separate(spec, id, ood, near));
  if (bootstrap !== undefined) {
    const groups = averageGroups(
      sets.ood.map(({ name }) => name),
      near,
    );
    const intervals = bootstrapIntervals(methods, { ...bootstrap, groups, signal });
    const perMethod = rows.length / methods.length;
    rows = rows.map((row, i) => ({ ...row, intervals: intervals[Math.floor(i / perMethod)]!.get(row.ood)! }));
  }
  const tests = baseline === undefined ? undefined : testAgainst(baseline, { methods, idSet, skipped }, sets);
  if (baseline !== undefined && tests === undefined) {
    allWarnings.push('no paired t-test: some of the 10 folds holds no sample of some set');
  }
  return {
    rows,
    id: measureId(first.id, idSet.labels, undefined),
    ...(near !== undefined && { near }),
    ...(bootstrap !== undefined && { bootstrap }),
    ...(tests !== undefined && { tests }),
    skipped,
    warnings: allWarnings,
  };
}

function testAgainst(
  baseline: string,
  { methods, idSet, skipped }: Pick<Comparison, 'methods' | 'idSet' | 'skipped'>,
  sets: CalibrationSets,
) {
  const base = methods.find(({ spec }) => spec === baseline);
  if (base === undefined) throw noMethod(skipped.filter(({ method }) => method === baseline));
  return pairedTests(methods, base, {
    id: foldsOf(idSet.rows, idSet.nameOf),
    ood: sets.ood.map(({ set }) => foldsOf(set.rows, set.nameOf)),
  });
}

function noMethod(skipped: Comparison['skipped']): HimplosError {
  return new HimplosError(
    'bad-input',
    `no method could be fitted: ${skipped.map(({ method, reason }) => `${method}: ${reason}`).join('; ')}`,
    { hint: 'compare other methods, or give them the data they miss' },
  );
}
