/** Writes tables as LaTeX, names with everything that LaTeX acts on among them, for check_latex.sh. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatResults } from '../../calibrate/results/format-results.ts';
import { FIGURES, type Figure, type ResultRow, type Results } from '../../calibrate/results/results.ts';

const folder = process.argv[2]!;
const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i));
const latin = String.fromCharCode(...Array.from({ length: 96 }, (_, i) => 160 + i));
const names = [
  latin,
  '[0pt] *',
  printable,
  'größe日本\u0301\u{1f600}\ttab',
  "-- --- `` '' ,, ?` !` <<>>",
  '\\end{tabular}',
  'average',
];

function rows(method: string, value: number): ResultRow[] {
  const figures = Object.fromEntries(FIGURES.map((figure) => [figure, value])) as Record<Figure, number>;
  const intervals = Object.fromEntries(
    FIGURES.map((figure) => [figure, [value - 0.1, value + 0.1]]),
  ) as never;
  return names.map((ood) => ({
    method,
    params: { clip: 'p95' },
    ood,
    ...figures,
    intervals,
    n_id: 10,
    n_ood: 10,
  }));
}

const results: Results = {
  rows: [...rows('himplos', 0.25), ...rows('energy', 0.5), ...rows('msp', 0.75)],
  id: { accuracy: 0.9, n: 10, coverage: 0.95 },
  warnings: [printable, ...names],
  skipped: [{ method: 'knn', reason: '100 % & more_of $this#{}~^' }],
};
writeFileSync(join(folder, 'plain.tex'), formatResults(results, 'latex'));
writeFileSync(join(folder, 'all.tex'), formatResults(results, 'latex', { figures: FIGURES }));
const labels = { heads: ['ReAct', 'FM', 'LS'], of: (spec: string) => ['✓', '', spec] };
writeFileSync(join(folder, 'ablation.tex'), formatResults(results, 'latex', { labels }));
