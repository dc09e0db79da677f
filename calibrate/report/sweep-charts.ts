import { AVERAGE, FIGURE_FACTS, type Figure, joinSpec, type ResultRow } from '../results/results.ts';
import type { SweepResults } from '../results/sweep-results.ts';
import { chart, namedAxis, numberAxis, polyline } from './chart.ts';
import { type Html, html } from './html.ts';

/**
 * Curves of FPR95 and AUROC over the first parameter: a curve an OOD set when it is the only one, a curve a value of the
 * second parameter (averages over the sets) when there are two; nothing for more.
 */
export function sweepCharts(results: SweepResults): Html[] {
  if (results.sweep.axes.length > 2) return [];
  return (['fpr95', 'auroc'] as const).map((figure) => sweepChart(results, figure));
}

interface Curve {
  readonly name: string;
  /** One a value of the first parameter; undefined where nothing was measured. */
  readonly values: readonly (number | undefined)[];
}

function sweepChart(results: SweepResults, figure: Figure): Html {
  const { axes } = results.sweep;
  const curves = axes.length === 1 ? curvesBySet(results, figure) : curvesByValue(results, figure);
  const all = curves.flatMap(({ values }) => values.filter((value) => value !== undefined));
  const { title, better } = FIGURE_FACTS[figure];
  const over = axes.length === 1 ? 'each OOD set' : `the average over OOD sets, by ${axes[1]!.key}`;
  return chart({
    id: `sweep-${figure}`,
    title: `${title} over ${axes[0]!.key} (${better} is better)`,
    description: `${title} in percent of ${over}, for ${axes[0]!.values.length} values of ${axes[0]!.key}, from ${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}.`,
    x: namedAxis(axes[0]!.key, axes[0]!.values),
    y: numberAxis(`${title}, %`, Math.min(...all), Math.max(...all)),
    legend: curves.map(({ name }) => name),
    draw: (place) =>
      html`${curves.map(({ values }, i) =>
        polyline(
          place,
          values.flatMap((value, at): [number, number][] => (value === undefined ? [] : [[at, value]])),
          i,
        ),
      )}`,
  });
}

function curvesBySet({ rows, sweep }: SweepResults, figure: Figure): Curve[] {
  const sets = [...new Set(rows.map(({ ood }) => ood))];
  return sets.map((set) => ({
    name: set,
    values: sweep.points.map(({ spec }) => valueAt(rows, spec, set, figure)),
  }));
}

function curvesByValue({ rows, sweep }: SweepResults, figure: Figure): Curve[] {
  const [first, second] = sweep.axes;
  return second!.values.map((value) => ({
    name: `${second!.key}=${value}`,
    values: first!.values.map((other) => {
      const point = sweep.points.find(({ values }) => values[0] === other && values[1] === value);
      return point && valueAt(rows, point.spec, AVERAGE, figure);
    }),
  }));
}

function valueAt(rows: readonly ResultRow[], spec: string, set: string, figure: Figure): number | undefined {
  const row = rows.find((candidate) => candidate.ood === set && joinSpec(candidate) === spec);
  return row && 100 * row[figure];
}
