import type { Grid, GridPoint } from '../tuning/grid.ts';
import { formatResults, notesOf, type ResultFormat, type TableOptions } from './format-results.ts';
import { drawLatexTable } from './latex-table.ts';
import { drawMarkdownTable, escapeMarkdown } from './markdown-table.ts';
import {
  AVERAGE,
  AVERAGE_FAR,
  AVERAGE_NEAR,
  FIGURE_FACTS,
  type Figure,
  joinSpec,
  type ResultRow,
  type Results,
} from './results.ts';
import { type Cell, type LineLabels, percent, rankPrinted, type Table } from './table.ts';
import { drawTextTable } from './text-table.ts';

/** Results of a method at every point of a grid. */
export interface SweepResults extends Results {
  readonly sweep: Grid & {
    /** The point with the lowest average FPR95 (ties: the higher average AUROC). */
    readonly best: string;
  };
}

/** Adds the grid to its results, and says what the best point is not. */
export function describeSweep(results: Results, grid: Grid): SweepResults {
  const averages = results.rows.filter(({ ood }) => ood === AVERAGE);
  const [best] = averages.toSorted((a, b) => a.fpr95 - b.fpr95 || b.auroc - a.auroc);
  const spec = joinSpec(best!);
  const warning = `the best point, ${spec} with an average FPR95 of ${percent(best!.fpr95)}, was picked on the OOD sets it is measured on: figures picked like that are too good. himplos tune picks without seeing them`;
  return {
    ...results,
    warnings: [...(results.warnings ?? []), warning],
    sweep: { ...grid, best: spec },
  };
}

/**
 * A sweep as text: one varied parameter as a line a value over all OOD sets (the layout of the method paper's Table V),
 * two as a grid of averages (its Figures 6 and 7 in numbers), more as a line a combination.
 */
export function formatSweep(results: SweepResults, format: ResultFormat, options: TableOptions): string {
  const { sweep } = results;
  if (sweep.axes.length !== 2 || format === 'json' || format === 'csv') {
    return formatResults(results, format, { ...options, labels: axisLabels(sweep) });
  }
  const figures = options.figures ?? ['fpr95', 'auroc'];
  const table = layOutGrid(results, figures);
  const notes = [`averages over ${countSets(results)} OOD sets`, ...notesOf(results, figures)];
  if (format === 'latex') return drawLatexTable(table, notes);
  if (format === 'markdown') {
    return `${drawMarkdownTable(table)}\n${notes.map((note) => `${escapeMarkdown(note)}  \n`).join('')}`;
  }
  return `${drawTextTable(table, options.style ?? 'plain').replace(' of the column', ' of the grid')}\n${notes.map((note) => `${note}\n`).join('')}`;
}

/** Lines of a table labelled by the values of the varied parameters. */
export function axisLabels({ axes, points }: Grid): LineLabels {
  const values = new Map(points.map((point) => [point.spec, point.values]));
  return { heads: axes.map(({ key }) => key), of: (spec) => values.get(spec)! };
}

function layOutGrid({ rows, sweep }: SweepResults, figures: readonly Figure[]): Table {
  const [down, across] = sweep.axes as [Grid['axes'][number], Grid['axes'][number]];
  const averages = averagesBySpec(rows);
  const marks = figures.map((figure) => {
    const values = [...averages.values()].map((row) => row[figure]);
    return values.length < 2 ? () => undefined : rankPrinted(values, FIGURE_FACTS[figure].better);
  });
  const cellsAt = (point: GridPoint | undefined): Cell[] | undefined => {
    const row = point && averages.get(point.spec);
    return row && figures.map((figure, f) => cellOf(row, figure, marks[f]!(row[figure])));
  };
  const lines = down.values.map((value) => ({
    labels: [value],
    cells: across.values.map((other) =>
      cellsAt(sweep.points.find(({ values }) => values[0] === value && values[1] === other)),
    ),
  }));
  return { figures, labels: [`${down.key} (down), ${across.key} (across)`], columns: across.values, lines };
}

function cellOf(row: ResultRow, figure: Figure, mark: Cell['mark']): Cell {
  const interval = row.intervals?.[figure];
  return {
    value: row[figure],
    ...(interval !== undefined && { interval }),
    ...(mark !== undefined && { mark }),
  };
}

/** The row of averages of every spec. */
export function averagesBySpec(rows: readonly ResultRow[]): ReadonlyMap<string, ResultRow> {
  return new Map(rows.filter(({ ood }) => ood === AVERAGE).map((row) => [joinSpec(row), row]));
}

function countSets({ rows }: Results): number {
  const averages: readonly string[] = [AVERAGE, AVERAGE_NEAR, AVERAGE_FAR];
  return new Set(rows.map(({ ood }) => ood).filter((name) => !averages.includes(name))).size;
}
