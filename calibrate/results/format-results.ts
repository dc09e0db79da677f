import { canonicalJson, type Json } from '../../shared/formats/canonical-json.ts';
import { csvLine } from './csv.ts';
import { drawLatexTable } from './latex-table.ts';
import { drawMarkdownTable, escapeMarkdown } from './markdown-table.ts';
import {
  AVERAGE,
  FIGURE_FACTS,
  FIGURES,
  type Figure,
  joinSpec,
  type PairedTest,
  type Results,
} from './results.ts';
import { type LineLabels, layOut, percent } from './table.ts';
import { drawTextTable, type TextStyle } from './text-table.ts';

export { percent };

export const RESULT_FORMATS = ['table', 'json', 'csv', 'markdown', 'latex'] as const;

export type ResultFormat = (typeof RESULT_FORMATS)[number];

/** What tables show beside the results themselves. */
export interface TableOptions {
  /** Figures of every cell; FPR95 and AUROC unless told otherwise. JSON and CSV hold all of them. */
  readonly figures?: readonly Figure[] | undefined;
  readonly labels?: LineLabels | undefined;
  /** How the text table shows marks. */
  readonly style?: TextStyle;
}

/** Results as text; figures as percent in tables, as fractions of 1 elsewhere. Ends with a newline. */
export function formatResults(results: Results, format: ResultFormat, options: TableOptions = {}): string {
  const { figures = ['fpr95', 'auroc'], labels, style = 'plain' } = options;
  if (format === 'json') return `${JSON.stringify(results, null, 2)}\n`;
  if (format === 'csv') return formatCsv(results);
  const table = layOut(results, figures, labels);
  const notes = notesOf(results, figures);
  if (format === 'latex') return drawLatexTable(table, notes);
  const isMarkdown = format === 'markdown';
  const draw = isMarkdown ? drawMarkdownTable(table) : drawTextTable(table, style);
  const hasSets = results.rows.some(({ ood }) => ood === AVERAGE);
  const body = results.rows.length === 0 && !hasSets ? 'no OOD set was given\n' : draw;
  return `${body}\n${notes.map((note) => `${isMarkdown ? `${escapeMarkdown(note)}  ` : note}\n`).join('')}`;
}

/** Whether a terminal's reader sees bold and underlined text. */
export function textStyle(
  stdout: { readonly isTTY?: boolean },
  env: { readonly NO_COLOR?: string | undefined },
): TextStyle {
  return stdout.isTTY === true && (env.NO_COLOR ?? '') === '' ? 'terminal' : 'plain';
}

/** Everything that stands under a table, a sentence a line. */
export function notesOf(results: Results, figures: readonly Figure[]): string[] {
  const { accuracy, coverage, n } = results.id;
  const facts = [
    `${n} in-distribution samples`,
    accuracy === null ? undefined : `accuracy ${percent(accuracy)} %`,
    coverage === null ? undefined : `γ accepts ${percent(coverage)} %`,
  ].filter((fact) => fact !== undefined);
  const { bootstrap, tests = [] } = results;
  return [
    facts.join(', '),
    ...(bootstrap === undefined
      ? []
      : [
          `in brackets: 95 % bootstrap intervals, ${bootstrap.replicates} resamples of the scores, seed ${bootstrap.seed}`,
        ]),
    ...tests.filter(({ figure }) => figures.includes(figure)).map(describeTest),
    ...(results.skipped ?? []).map(({ method, reason }) => `skipped ${method}: ${reason}`),
    ...(results.warnings ?? []).map((sentence) => `warning: ${sentence}`),
  ];
}

function describeTest(test: PairedTest): string {
  const { figure, difference, folds, t, p, baseline } = test;
  const sign = difference < 0 ? '−' : '+';
  const statistic = t === null ? 'no variation' : `t(${folds - 1}) = ${t.toFixed(2).replace('-', '−')}`;
  const level = p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`;
  return `${joinSpec(test)} against ${baseline}: ${FIGURE_FACTS[figure].title} ${sign}${percent(Math.abs(difference))}, ${statistic}, ${level} (paired over ${folds} folds)`;
}

function formatCsv({ rows }: Results): string {
  const hasIntervals = rows.some(({ intervals }) => intervals !== undefined);
  const ends = hasIntervals ? FIGURES.flatMap((figure) => [`${figure}_low`, `${figure}_high`]) : [];
  const header = ['method', 'params', 'ood', ...FIGURES, ...ends, 'n_id', 'n_ood'];
  const lines = rows.map((row) => [
    row.method,
    canonicalJson(row.params as Json),
    row.ood,
    ...FIGURES.map((figure) => String(row[figure])),
    ...(hasIntervals ? FIGURES.flatMap((figure) => (row.intervals?.[figure] ?? ['', '']).map(String)) : []),
    String(row.n_id),
    String(row.n_ood),
  ]);
  return [header, ...lines].map(csvLine).join('');
}
