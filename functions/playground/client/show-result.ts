import { type DetectorAnswer, type Result, round } from './answers.ts';
import { drawChart } from './draw-chart.ts';
import { meaningOf, reasonsFor } from './reasons.ts';

/** Everything there is to see of one result. Text from elsewhere only ever becomes text. */
export function showResult(
  result: Result,
  detector: DetectorAnswer,
  picture: HTMLImageElement | undefined,
): Node[] {
  const isOod = result.decision === 'ood';
  const decision = isOod ? '✗ Refused: out-of-distribution' : `✓ Accepted: ${result.predicted_name}`;
  const facts: readonly (readonly [string, string | number])[] = [
    [isOod ? 'Class it would be' : 'Class', `${result.predicted_name} (${result.predicted_class})`],
    ['Score', result.score],
    ['Threshold γ', detector.gamma],
    ['p-value', result.p_value],
    ['Cosine', result.cosine ?? 'none: the method has no prototypes'],
  ];
  const verdict = make('div', '', make('p', decision, undefined, 'verdict'), `decision ${result.decision}`);
  verdict.append(make('p', meaningOf(result)));
  const summary = make('div', '', definitions(facts), 'summary');
  if (picture !== undefined) summary.prepend(picture);
  const figure = make('figure', '', drawChart(result, detector));
  figure.append(
    make('figcaption', `Where the score lies among those of ${detector.calibration_scores} known images`),
  );
  return [verdict, summary, figure, make('h3', 'Why'), list(reasonsFor(result, detector)), steps(result)];
}

/** The energy after each part of the method, and the channels that speak most for the class. */
function steps({ detail }: Result): HTMLElement {
  const details = make('details', '', make('summary', 'Steps and channels'));
  details.append(
    table(
      ['Energy', ''],
      Object.entries(detail.energy).map(([step, value]) => [step, round(value)]),
    ),
    table(
      ['Channel', 'Feature', 'Contribution', ''],
      detail.top_channels.map(({ channel, feature, contribution, is_masked, is_clipped }) => [
        String(channel),
        round(feature),
        round(contribution),
        [is_masked ? 'masked' : '', is_clipped ? 'clipped' : ''].filter(Boolean).join(', '),
      ]),
    ),
  );
  return details;
}

/** A new element with text, or with one child. */
export function make(tag: string, text: string, child?: Node, className?: string): HTMLElement {
  const node = document.createElement(tag);
  if (child === undefined) node.textContent = text;
  else node.append(child);
  if (className !== undefined) node.className = className;
  return node;
}

/** Numbers are rounded to be read, and whole for programs that read the page. */
function definitions(facts: readonly (readonly [string, string | number])[]): HTMLElement {
  const list = document.createElement('dl');
  for (const [term, value] of facts) {
    if (typeof value === 'string') {
      list.append(make('dt', term), make('dd', value));
      continue;
    }
    const number = make('data', round(value));
    number.setAttribute('value', String(value));
    list.append(make('dt', term), make('dd', '', number));
  }
  return list;
}

function list(items: readonly string[]): HTMLElement {
  const node = document.createElement('ul');
  node.append(...items.map((item) => make('li', item)));
  return node;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): HTMLElement {
  const node = document.createElement('table');
  const header = node.createTHead().insertRow();
  header.append(...head.map((text) => make('th', text)));
  const body = node.createTBody();
  for (const row of rows) body.insertRow().append(...row.map((text) => make('td', text)));
  return node;
}
