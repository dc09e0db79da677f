import { type Cell, figureTitle, percent, type Table } from './table.ts';

/** How marks are shown: as bold and underlined on a terminal, as `*` and `+` behind the number elsewhere. */
export type TextStyle = 'terminal' | 'plain';

/** A table as lines of text, numbers under each other. Ends with a newline. */
export function drawTextTable(table: Table, style: TextStyle): string {
  const isMarked = table.lines.some(({ cells }) => cells.some((cell) => cell?.some(({ mark }) => mark)));
  const header = [...headerLabels(table), ...table.columns.map(printable)];
  const lines = table.lines.map(({ labels, cells }) => [
    ...labels.map(printable),
    ...cells.map((cell) => drawCells(cell, style, isMarked)),
  ]);
  const labelled = table.labels.length;
  const widths = header.map((_, column) =>
    Math.max(...[header, ...lines].map((line) => widthOf(line[column]!))),
  );
  const draw = (line: readonly string[]) =>
    line
      .map((text, column) => {
        const space = ' '.repeat(widths[column]! - widthOf(text));
        return column < labelled ? text + space : space + text;
      })
      .join('  ')
      .trimEnd();
  const legend = isMarked && style === 'plain' ? '* best, + second best of the column\n' : '';
  return `${[draw(header), ...lines.map(draw)].join('\n')}\n${legend}`;
}

/** The first label column says which figures the cells hold. */
export function headerLabels({ labels, figures }: Table): string[] {
  const held = figures.map(figureTitle).join(' / ');
  return labels.length === 1 ? [held] : [...labels.slice(0, -1), `${labels.at(-1)}  ${held}`];
}

function drawCells(cells: readonly Cell[] | undefined, style: TextStyle, isMarked: boolean): string {
  return cells?.map((cell) => drawCell(cell, style, isMarked)).join(' / ') ?? '';
}

function drawCell({ value, interval, mark }: Cell, style: TextStyle, isMarked: boolean): string {
  const range = interval === undefined ? '' : ` [${percent(interval[0])}, ${percent(interval[1])}]`;
  if (style === 'plain') {
    const sign = mark === undefined ? ' ' : mark === 'best' ? '*' : '+';
    return `${percent(value)}${isMarked ? sign : ''}${range}`;
  }
  const text = percent(value);
  if (mark === undefined) return text + range;
  return `${mark === 'best' ? '\u001b[1m' : '\u001b[4m'}${text}\u001b[0m${range}`;
}

/** Set names come from the user: nothing in them may steer the terminal or break the line. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}

function widthOf(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape codes drawn above take no room
  return [...text.replaceAll(/\u001b\[\d+m/g, '')].length;
}
