import { type Html, html } from './html.ts';

/** Size of every chart in its own units; 12 of them are a line of text. Narrow, so that it stays readable on a phone. */
const WIDTH = 440;
export const HEIGHT = 270;
const LEFT = 48;
const RIGHT = 16;
const TOP = 12;
const BOTTOM = 40;

/** An axis: numbers from `min` to `max`, or places named by `labels`. */
export interface AxisScale {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  /** Where to put marks, and what they say. */
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** Places of values inside the frame. */
export interface Placement {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

export interface ChartOptions {
  /** Unique in the page; letters, digits and dashes. */
  readonly id: string;
  readonly title: string;
  /** What a reader who cannot see it should know. */
  readonly description: string;
  readonly x: AxisScale;
  readonly y: AxisScale;
  /** Names of the series, in the order of their colours; none for a chart of one. */
  readonly legend?: readonly string[];
  /** Series of the first name in the legend; 0 unless told otherwise. */
  readonly firstSeries?: number;
  readonly draw: (place: Placement) => Html;
}

/** A chart as a figure: axes, whatever `draw` puts between them, a legend and a caption. */
export function chart({
  id,
  title,
  description,
  x,
  y,
  legend = [],
  firstSeries = 0,
  draw,
}: ChartOptions): Html {
  const place: Placement = {
    x: (value) => round(LEFT + ((value - x.min) / (x.max - x.min)) * (WIDTH - LEFT - RIGHT)),
    y: (value) => round(HEIGHT - BOTTOM - ((value - y.min) / (y.max - y.min)) * (HEIGHT - TOP - BOTTOM)),
  };
  const bottom = HEIGHT - BOTTOM;
  const across = x.ticks.map(({ at, text }) => {
    const left = place.x(at);
    return html`<line class="grid" x1="${left}" x2="${left}" y1="${TOP}" y2="${bottom}"/><text x="${left}" y="${bottom + 15}" text-anchor="middle">${text}</text>`;
  });
  const up = y.ticks.map(({ at, text }) => {
    const top = place.y(at);
    return html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${top}" y2="${top}"/><text x="${LEFT - 5}" y="${top + 4}" text-anchor="end">${text}</text>`;
  });
  const middle = (TOP + bottom) / 2;
  return html`<figure>
<figcaption>${title}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>
${across}${up}<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${x.label}</text><text x="12" y="${middle}" text-anchor="middle" transform="rotate(-90 12 ${middle})">${y.label}</text>
${draw(place)}
</svg>
${legend.length > 0 && drawLegend(legend, firstSeries)}
</figure>
`;
}

function drawLegend(names: readonly string[], first: number): Html {
  const items = names.map(
    (name, i) =>
      html`<li><svg class="key" viewBox="0 0 24 10" aria-hidden="true"><line class="${seriesClass(first + i)}" x1="0" x2="24" y1="5" y2="5"/></svg>${name}</li>`,
  );
  return html`<ul class="legend">${items}</ul>`;
}

/** Colours of series; there are eight, each again with another dash. */
export function seriesClass(index: number): string {
  return `line s${index % 8}${index >= 8 ? ' again' : ''}`;
}

/** A curve through points. */
export function polyline(
  { x, y }: Placement,
  points: readonly (readonly [number, number])[],
  index: number,
): Html {
  const path = points.map(([a, b]) => `${x(a)},${y(b)}`).join(' ');
  return html`<polyline class="${seriesClass(index)}" points="${path}"/>`;
}

/** A vertical mark with a word at its top. */
export function marker({ x }: Placement, value: number, text: string): Html {
  const left = x(value);
  const isRight = left > WIDTH / 2;
  return html`<line class="marker" x1="${left}" x2="${left}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text class="strong" x="${left + (isRight ? -4 : 4)}" y="${TOP + 10}" text-anchor="${isRight ? 'end' : 'start'}">${text}</text>`;
}

/** An axis of numbers with round ticks; widened where all values are equal. */
export function numberAxis(label: string, min: number, max: number): AxisScale {
  const [low, high] = max > min ? [min, max] : [min - 0.5, max + 0.5];
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks: { at: number; text: string }[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    ticks.push({ at: i * step, text: (i * step).toFixed(Math.min(digits, 10)) });
  }
  return { label, min: low, max: high, ticks };
}

/** An axis from 0 to 1 in percent. */
export function percentAxis(label: string): AxisScale {
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((at) => ({ at, text: `${Math.round(100 * at)}` }));
  return { label: `${label}, %`, min: 0, max: 1, ticks };
}

/** An axis of named places 0, 1, …; every so many are named when there are many. */
export function namedAxis(label: string, names: readonly string[]): AxisScale {
  const every = Math.ceil(names.length / 12);
  const ticks = names.flatMap((text, at) => (at % every === 0 ? [{ at, text: text.slice(0, 12) }] : []));
  return { label, min: -0.3, max: names.length - 0.7, ticks };
}

/** Two decimals are a fiftieth of a pixel on the widest screen. */
function round(value: number): number {
  return Math.round(100 * value) / 100;
}
