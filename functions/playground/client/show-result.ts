import { type DetectorAnswer, type Result, round } from './answers.ts';
import { drawChart } from './draw-chart.ts';
import { reasonsFor } from './reasons.ts';

/** Everything there is to see of one result. Text from elsewhere only ever becomes text. */
export function showResult(
  result: Result,
  detector: DetectorAnswer,
  picture: HTMLImageElement | undefined,
): Node[] {
  const isOod = result.decision === 'ood';
  const decision = isOod ? '✗ Refused: out-of-distribution' : `✓ Accepted: ${result.predicted_name}`;
  const facts: readonly (readonly [string, string])[] = [
    [isOod ? 'Class it would be' : 'Class', `${result.predicted_name} (${result.predicted_class})`],
    ['Score', round(result.score)],
    ['Threshold γ', round(detector.gamma)],
    ['p-value', round(result.p_value)],
    ['Cosine', result.cosine === null ? 'none: the method has no prototypes' : round(result.cosine)],
  ];
  const figure = make('figure', '', drawChart(result, detector));
  figure.append(make('figcaption', `Scores of ${detector.calibration_scores} calibration samples`));
  return [
    make('p', decision, undefined, `decision ${result.decision}`),
    ...(picture === undefined ? [] : [picture]),
    definitions(facts),
    figure,
    make('h3', 'Why'),
    list(reasonsFor(result, detector)),
    steps(result),
  ];
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

function definitions(facts: readonly (readonly [string, string])[]): HTMLElement {
  const list = document.createElement('dl');
  for (const [term, value] of facts) list.append(make('dt', term), make('dd', value));
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
