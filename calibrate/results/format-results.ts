import { canonicalJson, type Json } from '../../shared/formats/canonical-json.ts';
import { csvLine } from './csv.ts';
import { AVERAGE, FIGURES, joinSpec, type ResultRow, type Results } from './results.ts';

export type ResultFormat = 'table' | 'json' | 'csv' | 'markdown';

/** Results as text; figures as percent in tables, as fractions of 1 elsewhere. Ends with a newline. */
export function formatResults(results: Results, format: ResultFormat): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(results, null, 2)}\n`;
    case 'csv':
      return formatCsv(results);
    case 'markdown':
      return formatGrid(results, drawMarkdown);
    case 'table':
      return formatGrid(results, drawText);
  }
}

function formatCsv({ rows }: Results): string {
  const header = ['method', 'params', 'ood', ...FIGURES, 'n_id', 'n_ood'];
  const lines = rows.map((row) => [
    row.method,
    canonicalJson(row.params as Json),
    row.ood,
    ...FIGURES.map((figure) => String(row[figure])),
    String(row.n_id),
    String(row.n_ood),
  ]);
  return [header, ...lines].map(csvLine).join('');
}

type Draw = (header: readonly string[], lines: readonly (readonly string[])[]) => string;

/** One line a method, one column an OOD set with FPR95 / AUROC in percent. */
function formatGrid(results: Results, draw: Draw): string {
  const sets = [...new Set(results.rows.map((row) => row.ood))];
  const methods = Map.groupBy(results.rows, joinSpec);
  const header = ['FPR95 ↓ / AUROC ↑', ...sets];
  const lines = [...methods].map(([spec, rows]) => [
    spec,
    ...sets.map((set) => formatPair(rows.find((row) => row.ood === set))),
  ]);
  const { accuracy, coverage, n } = results.id;
  const facts = [
    `${n} in-distribution samples`,
    accuracy === null ? undefined : `accuracy ${percent(accuracy)} %`,
    coverage === null ? undefined : `γ accepts ${percent(coverage)} %`,
  ].filter((fact) => fact !== undefined);
  const skipped = (results.skipped ?? []).map(({ method, reason }) => `skipped ${method}: ${reason}\n`);
  const warnings = (results.warnings ?? []).map((sentence) => `warning: ${sentence}\n`);
  const average = sets.includes(AVERAGE) ? '' : 'no OOD set was given\n';
  const table = results.rows.length === 0 ? average : draw(header, lines);
  return `${table}\n${facts.join(', ')}\n${skipped.join('')}${warnings.join('')}`;
}

function formatPair(row: ResultRow | undefined): string {
  return row === undefined ? '' : `${percent(row.fpr95)} / ${percent(row.auroc)}`;
}

/** A fraction as percent with two decimals. */
export function percent(fraction: number): string {
  return (100 * fraction).toFixed(2);
}

function drawText(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = header.map((_, column) =>
    Math.max(...[header, ...lines].map((line) => line[column]!.length)),
  );
  const draw = (line: readonly string[]) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  return `${[draw(header), ...lines.map(draw)].join('\n')}\n`;
}

function drawMarkdown(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const draw = (line: readonly string[]) => `| ${line.map(escapeMarkdown).join(' | ')} |`;
  const rule = `|${header.map((_, column) => (column === 0 ? ' --- |' : ' ---: |')).join('')}`;
  return `${[draw(header), rule, ...lines.map(draw)].join('\n')}\n`;
}

/** User-supplied names may hold what Markdown or HTML would act on. */
function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\|`*_[\]<>]/g, (character) => `\\${character}`).replaceAll('\n', ' ');
}
