import {
  AVERAGE,
  AVERAGE_FAR,
  AVERAGE_NEAR,
  FIGURE_FACTS,
  type Figure,
  type Interval,
  joinSpec,
  type ResultRow,
  type Results,
} from './results.ts';

/** One figure in a table. */
export interface Cell {
  /** Fraction of 1. */
  readonly value: number;
  readonly interval?: Interval;
  /** Set on the best and second best of its column, where there are several lines. */
  readonly mark?: 'best' | 'second';
}

/** Results laid out as the method paper's tables: a line a method, a column an OOD set, each with the same figures. */
export interface Table {
  readonly figures: readonly Figure[];
  /** Heads of the columns that say what a line is: `method`, or `ReAct`, `FM`, `LS`. */
  readonly labels: readonly string[];
  readonly columns: readonly string[];
  readonly lines: readonly {
    readonly labels: readonly string[];
    /** By column, then by figure; undefined where nothing was measured. */
    readonly cells: readonly (readonly Cell[] | undefined)[];
  }[];
}

/** How a line of results is labelled; by its method's spec unless told otherwise. */
export interface LineLabels {
  readonly heads: readonly string[];
  readonly of: (spec: string) => readonly string[];
}

const BY_METHOD: LineLabels = { heads: ['method'], of: (spec) => [spec] };

/** Lays results out; near sets come first, then far ones, each group before its average. */
export function layOut(results: Results, figures: readonly Figure[], lineLabels = BY_METHOD): Table {
  const columns = orderSets(results);
  const methods = [...Map.groupBy(results.rows, joinSpec)];
  const lines = methods.map(([spec, rows]) => ({
    labels: lineLabels.of(spec),
    cells: columns.map((set) =>
      cellsOf(
        rows.find(({ ood }) => ood === set),
        figures,
      ),
    ),
  }));
  return markBest({ figures, labels: lineLabels.heads, columns, lines });
}

function orderSets({ rows, near }: Results): string[] {
  const sets = [...new Set(rows.map(({ ood }) => ood))];
  if (near === undefined) return sets;
  const place = (set: string) => {
    if (set === AVERAGE) return 4;
    if (set === AVERAGE_NEAR) return 1;
    if (set === AVERAGE_FAR) return 3;
    return near.includes(set) ? 0 : 2;
  };
  return sets.toSorted((a, b) => place(a) - place(b));
}

function cellsOf(row: ResultRow | undefined, figures: readonly Figure[]): Cell[] | undefined {
  return (
    row &&
    figures.map((figure) => {
      const interval = row.intervals?.[figure];
      return interval === undefined ? { value: row[figure] } : { value: row[figure], interval };
    })
  );
}

/** Marks the best and the second best value of every figure by column; values that print alike share a mark. */
function markBest(table: Table): Table {
  if (table.lines.length < 2) return table;
  const marks = table.columns.map((_, column) =>
    table.figures.map((figure, f) => {
      const values = table.lines.flatMap(({ cells }) => cells[column]?.[f]?.value ?? []);
      return rankPrinted(values, FIGURE_FACTS[figure].better);
    }),
  );
  const lines = table.lines.map((line) => ({
    ...line,
    cells: line.cells.map((cells, column) =>
      cells?.map((cell, f) => {
        const mark = marks[column]![f]!(cell.value);
        return mark === undefined ? cell : { ...cell, mark };
      }),
    ),
  }));
  return { ...table, lines };
}

/** Which mark a value gets among others, compared as they are printed. */
export function rankPrinted(
  values: readonly number[],
  better: 'lower' | 'higher',
): (value: number) => Cell['mark'] {
  const sign = better === 'lower' ? 1 : -1;
  const [best, second] = [...new Set(values.map(percent))].sort((a, b) => sign * (Number(a) - Number(b)));
  return (value) => {
    const text = percent(value);
    if (text === best) return 'best';
    return text === second ? 'second' : undefined;
  };
}

/** A fraction as percent with two decimals. */
export function percent(fraction: number): string {
  return (100 * fraction).toFixed(2);
}

/** `FPR95 ↓`: a figure's name with the direction in which it is better. */
export function figureTitle(figure: Figure): string {
  const { title, better } = FIGURE_FACTS[figure];
  return `${title} ${better === 'lower' ? '↓' : '↑'}`;
}
