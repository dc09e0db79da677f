import { type Cell, percent, type Table } from './table.ts';
import { headerLabels } from './text-table.ts';

/** A table in GitHub's Markdown: best bold, second underlined. Ends with a newline. */
export function drawMarkdownTable(table: Table): string {
  const labelled = table.labels.length;
  const draw = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const header = [...headerLabels(table), ...table.columns].map(escapeMarkdown);
  const rule = `|${header.map((_, column) => (column < labelled ? ' --- |' : ' ---: |')).join('')}`;
  const lines = table.lines.map(({ labels, cells }) =>
    draw([...labels.map(escapeMarkdown), ...cells.map((cell) => cell?.map(drawCell).join(' / ') ?? '')]),
  );
  return `${[draw(header), rule, ...lines].join('\n')}\n`;
}

function drawCell({ value, interval, mark }: Cell): string {
  const range = interval === undefined ? '' : ` \\[${percent(interval[0])}, ${percent(interval[1])}\\]`;
  const text = percent(value);
  if (mark === undefined) return text + range;
  return `${mark === 'best' ? `**${text}**` : `<u>${text}</u>`}${range}`;
}

/** User-supplied names may hold what Markdown or HTML would act on. */
export function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\|`*_[\]<>&]/g, (character) => `\\${character}`).replaceAll(/\p{Cc}/gu, ' ');
}
