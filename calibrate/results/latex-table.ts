import { FIGURE_FACTS, type Figure } from './results.ts';
import { type Cell, percent, type Table } from './table.ts';

/**
 * A table as a LaTeX `table*` environment that needs no package: best bold, second underlined, figures in columns of
 * their own under each set. Ends with a newline.
 * @param notes sentences for the caption
 */
export function drawLatexTable(table: Table, notes: readonly string[]): string {
  const { figures, labels, columns, lines } = table;
  const wide = figures.length;
  const layout = `${'l'.repeat(labels.length)}${columns.map(() => 'r'.repeat(wide)).join('')}`;
  const blanks = labels.map(() => '');
  const sets = columns.map((name) => `\\multicolumn{${wide}}{c}{${escapeLatex(name)}}`);
  const heads = columns.flatMap(() => figures.map(figureHead));
  const drawn = lines.map(({ labels: own, cells }) =>
    row([...own.map(escapeLatex), ...cells.flatMap((cell) => cell?.map(drawCell) ?? figures.map(() => ''))]),
  );
  return [
    '\\begin{table*}',
    '\\centering',
    '\\small',
    '\\setlength{\\tabcolsep}{4pt}',
    `\\caption{${notes.map(escapeLatex).join('; ')}}`,
    `\\begin{tabular}{${layout}}`,
    '\\hline',
    row([...blanks, ...sets]),
    row([...labels.map(escapeLatex), ...heads]),
    '\\hline',
    ...drawn,
    '\\hline',
    '\\end{tabular}',
    '\\end{table*}',
    '',
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `${cells.join(' & ')} \\\\`;
}

function figureHead(figure: Figure): string {
  const { title, better } = FIGURE_FACTS[figure];
  return `${escapeLatex(title)} $\\${better === 'lower' ? 'down' : 'up'}arrow$`;
}

function drawCell({ value, interval, mark }: Cell): string {
  const text = percent(value);
  const range = interval === undefined ? '' : ` {\\tiny [${percent(interval[0])}, ${percent(interval[1])}]}`;
  if (mark === undefined) return text + range;
  return `${mark === 'best' ? `\\textbf{${text}}` : `\\underline{${text}}`}${range}`;
}

const SPECIAL: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
  '`': '\\textasciigrave{}',
  "'": '\\textquotesingle{}',
  '"': "{''}",
  '-': '{-}', // no dashes from two hyphens
  '[': '{[}', // no optional argument of the line break before
  '*': '{*}',
  '✓': '$\\surd$',
  α: '$\\alpha$',
  γ: '$\\gamma$',
  λ: '$\\lambda$',
  ' ': ' ',
};

/**
 * Text that LaTeX sets as it is. Letters beyond what the standard fonts have are written as their code points
 * (`U+65E5`).
 */
function escapeLatex(text: string): string {
  let escaped = '';
  for (const character of text) escaped += escapeCharacter(character);
  return escaped;
}

function escapeCharacter(character: string): string {
  if (Object.hasOwn(SPECIAL, character)) return SPECIAL[character]!;
  if (/[&%$#_{}]/.test(character)) return `\\${character}`;
  if (/\p{Cc}/u.test(character)) return ' ';
  if (/[!-~À-ÏÑ-ÖØ-Ýß-ïñ-öø-ýÿ]/.test(character)) return character;
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}
