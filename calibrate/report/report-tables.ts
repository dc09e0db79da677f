import { FIGURES, joinSpec, type Results } from '../results/results.ts';
import { type Cell, figureTitle, type LineLabels, layOut, percent } from '../results/table.ts';
import { classFigures } from './class-figures.ts';
import { type Extreme, findExtremes } from './extremes.ts';
import { type Html, type HtmlValue, html } from './html.ts';
import { type ReportData, thumbnailKey } from './report-data.ts';
import { decidingScore } from './score-charts.ts';

/** A table that scrolls by itself where it is wider than the page; its caption stays. */
function wrapTable(
  caption: string,
  header: readonly HtmlValue[],
  lines: readonly (readonly HtmlValue[])[],
  labels = 1,
): Html {
  const cell = (value: HtmlValue, column: number) =>
    column < labels ? html`<th scope="row">${value}</th>` : html`<td>${value}</td>`;
  return html`<p class="caption" aria-hidden="true">${caption}</p>
<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table aria-label="${caption}">
<thead><tr>${header.map((value, column) => html`<th scope="col"${column < labels && html` class="label"`}>${value}</th>`)}</tr></thead>
<tbody>
${lines.map((line) => html`<tr>${line.map(cell)}</tr>\n`)}</tbody>
</table></div>
`;
}

/** FPR95 and AUROC of every method on every set: best bold, second underlined. */
export function figuresTable(caption: string, results: Results, labels?: LineLabels): Html {
  const figures = ['fpr95', 'auroc'] as const;
  const table = layOut(results, figures, labels);
  const head = figures.map(figureTitle).join(' / ');
  return wrapTable(
    `${caption}: ${head}, percent; best bold, second underlined`,
    [...table.labels, ...table.columns],
    table.lines.map((line) => [
      ...line.labels.map(breakable),
      ...line.cells.map((cells) => cells?.map((cell, i) => html`${i > 0 && ' / '}${drawCell(cell)}`)),
    ]),
    table.labels.length,
  );
}

/** Every figure of the detailed method, set by set. */
export function allFiguresTable({ results, detailed }: ReportData): Html {
  const rows = results.rows.filter((row) => joinSpec(row) === detailed.spec);
  return wrapTable(
    `All figures of ${detailed.spec}, percent`,
    ['set', ...FIGURES.map(figureTitle), 'samples'],
    rows.map((row) => [
      row.ood,
      ...FIGURES.map((figure) =>
        drawCell({ value: row[figure], ...(row.intervals && { interval: row.intervals[figure] }) }),
      ),
      row.n_ood,
    ]),
  );
}

function drawCell({ value, interval, mark }: Cell): Html {
  const text = percent(value);
  const marked =
    mark === 'best' ? html`<strong>${text}</strong>` : mark === 'second' ? html`<u>${text}</u>` : text;
  return html`${marked}${interval && html` <small>[${percent(interval[0])}, ${percent(interval[1])}]</small>`}`;
}

/** A spec may be broken after its separators. */
export function breakable(spec: string): Html {
  return html`${spec.split(/(?<=[:,])/).map((part, i) => html`${i > 0 && html`<wbr>`}${part}`)}`;
}

/** A table of names and what they stand for. */
export function factsTable(caption: string, facts: readonly (readonly [string, HtmlValue])[]): Html {
  return wrapTable(caption, ['what', 'value'], facts);
}

/** What happens to the samples of each class; only where the ID set has labels. */
export function classTable(data: ReportData): Html | undefined {
  const { at } = decidingScore(data);
  const figures = classFigures(data.detailed, data.classNames.length, at);
  if (figures === undefined) return undefined;
  return wrapTable(
    'By class: samples of the in-distribution set, and what is wrongly accepted as the class',
    ['class', 'samples', 'accuracy, %', 'accepted, %', 'OOD samples accepted as it'],
    figures.map(({ samples, accuracy, accepted, intruders }, c) => [
      data.classNames[c]!,
      samples,
      samples === 0 ? '–' : percent(accuracy),
      samples === 0 ? '–' : percent(accepted),
      intruders,
    ]),
  );
}

/** The samples of each set with the highest and the lowest scores. */
export function extremesTable(data: ReportData): Html {
  const { detailed, classNames } = data;
  const draw = (set: string) => (extremes: readonly Extreme[]) =>
    html`<ol>${extremes.map(({ sample, score, predicted }) => {
      const picture = data.thumbnails.get(thumbnailKey(set, sample));
      return html`<li>${picture !== undefined && html`<img src="${picture}" alt="" width="48" height="48"> `}${sample} <small>${score.toPrecision(4)}, ${classNames[predicted]}</small></li>`;
    })}</ol>`;
  return wrapTable(
    'Samples with the highest and the lowest scores, and what the classifier takes them for',
    ['set', 'most in-distribution', 'least in-distribution'],
    [detailed.id, ...detailed.ood].map((set) => {
      const { most, least } = findExtremes(set);
      return [set.name, draw(set.name)(most), draw(set.name)(least)];
    }),
  );
}
