import { HimplosError } from '../../shared/errors.ts';
import { quantile } from '../../shared/maths/quantile.ts';
import type { Scores } from '../../shared/methods/contract.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import { seededRandom } from '../seeded-random.ts';
import { FIGURES, type Figure, type Interval } from './results.ts';
import { rankScores, separationOfCounts } from './score-ranks.ts';
import type { SetGroup } from './set-groups.ts';

/** Scores of one method. */
export interface ScoredMethod {
  readonly spec: string;
  readonly id: Pick<Scores, 'score'>;
  readonly ood: readonly { readonly name: string; readonly scores: Pick<Scores, 'score'> }[];
}

export interface BootstrapOptions {
  /** How often samples are drawn anew; at least 1. */
  readonly replicates: number;
  readonly seed: number;
  /** Averages that get intervals too. */
  readonly groups: readonly SetGroup[];
  readonly signal: AbortSignal;
}

/**
 * Percentile intervals (95 %) of every figure by the bootstrap (Efron, Annals of Statistics 7, 1979): ID and OOD samples
 * are drawn anew with replacement, the detectors stay as they are. A replicate draws the same samples for every
 * method, and the same ID samples for every OOD set, so averages are taken over what one experiment would give.
 * Throws `too-large` when that many figures are not to be kept in memory.
 * @returns by method, then by set or group
 */
export function bootstrapIntervals(
  methods: readonly ScoredMethod[],
  { replicates, seed, groups, signal }: BootstrapOptions,
): ReadonlyMap<string, Readonly<Record<Figure, Interval>>>[] {
  const sets = methods[0]?.ood.map(({ name, scores }) => ({ name, rows: scores.score.length })) ?? [];
  const figures = methods.length * (sets.length + groups.length) * FIGURES.length * replicates;
  if (figures > MAX_FIGURES) throw tooMany(figures, methods.length, replicates);
  const ranked = methods.map(({ id, ood }) => ood.map(({ scores }) => rankScores(id.score, scores.score)));
  const names = [...sets.map(({ name }) => name), ...groups.map(({ name }) => name)];
  const drawn = methods.map(() => names.map(() => FIGURES.map(() => new Float64Array(replicates))));
  const random = seededRandom(seed);
  const idRows = methods[0]?.id.score.length ?? 0;
  for (let replicate = 0; replicate < replicates; replicate++) {
    throwIfAborted(signal);
    const idDraw = draw(idRows, random);
    const oodDraws = sets.map(({ rows }) => draw(rows, random));
    ranked.forEach((method, m) => {
      const figures = method.map(({ count, id, ood }, s) =>
        separationOfCounts(countRanks(count, id, idDraw), countRanks(count, ood, oodDraws[s]!)),
      );
      const averages = groups.map((group) => {
        const members = figures.filter((_, s) => group.sets.includes(sets[s]!.name));
        return (figure: Figure) => members.reduce((sum, set) => sum + set[figure], 0) / members.length;
      });
      FIGURES.forEach((figure, f) => {
        figures.forEach((set, s) => {
          drawn[m]![s]![f]![replicate] = set[figure];
        });
        averages.forEach((average, g) => {
          drawn[m]![sets.length + g]![f]![replicate] = average(figure);
        });
      });
    });
  }
  return drawn.map((method) => new Map(names.map((name, at) => [name, intervalsOf(method[at]!)])));
}

/** Figures kept until their quantiles are known: 512 MiB. */
const MAX_FIGURES = 2 ** 26;

function tooMany(figures: number, methods: number, replicates: number): HimplosError {
  return new HimplosError(
    'too-large',
    `--bootstrap ${replicates} of ${methods} methods: expected at most ${MAX_FIGURES} figures, got ${figures}`,
    { hint: `for example --bootstrap ${Math.max(1, Math.floor((replicates * MAX_FIGURES) / figures))}` },
  );
}

/** Positions of as many samples as there are, with replacement. */
function draw(rows: number, random: () => number): Int32Array {
  const positions = new Int32Array(rows);
  for (let i = 0; i < rows; i++) positions[i] = Math.floor(random() * rows);
  return positions;
}

function countRanks(count: number, ranks: Int32Array, positions: Int32Array): Int32Array {
  const counts = new Int32Array(count);
  for (let i = 0; i < positions.length; i++) counts[ranks[positions[i]!]!]!++;
  return counts;
}

function intervalsOf(figures: readonly Float64Array[]): Record<Figure, Interval> {
  return Object.fromEntries(
    FIGURES.map((figure, f) => [figure, [quantile(figures[f]!, 0.025), quantile(figures[f]!, 0.975)]]),
  ) as unknown as Record<Figure, Interval>;
}
