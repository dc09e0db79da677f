import { hash } from 'node:crypto';
import { averageSeparation, measureSeparation } from '../../shared/metrics/separation.ts';
import type { ScoredMethod } from './bootstrap.ts';
import { FIGURES, type PairedTest, splitSpec } from './results.ts';

/** Folds of the paired t-test. */
export const FOLDS = 10;

/** What a sample of a set is called. */
type NameOf = (row: number) => string;

/** Fold of every row of a set: it hangs on the sample's name alone, so that it survives added and reordered samples. */
export function foldsOf(rows: number, nameOf: NameOf): Uint8Array {
  return Uint8Array.from(
    { length: rows },
    (_, row) => hash('sha256', nameOf(row), 'buffer').readUInt32BE(0) % FOLDS,
  );
}

/**
 * Paired t-tests of each method's average figures against a baseline's over {@link FOLDS} folds of the samples.
 * @param folds of the ID rows and of each OOD set's rows
 * @returns a test a method and figure; `undefined` when some fold holds no sample of some set
 */
export function pairedTests(
  methods: readonly ScoredMethod[],
  baseline: ScoredMethod,
  folds: { readonly id: Uint8Array; readonly ood: readonly Uint8Array[] },
): PairedTest[] | undefined {
  const isFull = [folds.id, ...folds.ood].every((fold) => new Set(fold).size === FOLDS);
  if (!isFull || folds.ood.length === 0) return undefined;
  const base = figuresByFold(baseline, folds);
  return methods
    .filter((method) => method !== baseline)
    .flatMap((method) => {
      const own = figuresByFold(method, folds);
      return FIGURES.map((figure): PairedTest => {
        const differences = own.map((fold, i) => fold[figure] - base[i]![figure]);
        return { ...splitSpec(method.spec), baseline: baseline.spec, figure, ...testPairs(differences) };
      });
    });
}

function figuresByFold({ id, ood }: ScoredMethod, folds: Parameters<typeof pairedTests>[2]) {
  return Array.from({ length: FOLDS }, (_, fold) => {
    const idScores = id.score.filter((_, row) => folds.id[row] === fold);
    return averageSeparation(
      ood.map(({ scores }, set) =>
        measureSeparation(
          idScores,
          scores.score.filter((_, row) => folds.ood[set]![row] === fold),
        ),
      ),
    );
  });
}

/** Student's paired t-test from differences, at least two. */
export function testPairs(
  differences: readonly number[],
): Pick<PairedTest, 'difference' | 'folds' | 't' | 'p'> {
  const folds = differences.length;
  const difference = differences.reduce((sum, d) => sum + d, 0) / folds;
  const variance = differences.reduce((sum, d) => sum + (d - difference) ** 2, 0) / (folds - 1);
  // Differences that are equal but for rounding have no t: they are surely 0, or surely not.
  if (Math.sqrt(variance) <= 1e-12) {
    return { difference, folds, t: null, p: Math.abs(difference) <= 1e-12 ? 1 : 0 };
  }
  const t = difference / Math.sqrt(variance / folds);
  return { difference, folds, t, p: twoSidedP(t, folds - 1) };
}

/**
 * P(|T| ≥ |t|) for Student's t with a whole number ν of degrees of freedom, by the finite sums of Abramowitz and Stegun,
 * Handbook of Mathematical Functions, 26.7.3 and 26.7.4. Absolute error about 1e-15.
 */
export function twoSidedP(t: number, freedom: number): number {
  const theta = Math.atan(Math.abs(t) / Math.sqrt(freedom));
  const cos2 = Math.cos(theta) ** 2;
  const isOdd = freedom % 2 === 1;
  let term = isOdd ? Math.cos(theta) : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k < freedom; k += 2) {
    term *= ((k - 1) / k) * cos2;
    sum += term;
  }
  const inside = isOdd ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
  return Math.min(1, Math.max(0, 1 - inside));
}
