import { interpolateQuantile } from '../../shared/maths/quantile.ts';
import { chart, HEIGHT, marker, numberAxis, type Placement, polyline, seriesClass } from './chart.ts';
import { type Html, html } from './html.ts';

/** Values of one set. */
export interface Distribution {
  readonly name: string;
  readonly values: Float64Array;
}

const BINS = 40;

/**
 * Histograms of several sets over common bins, each as shares of its own set; the first is filled. The range is that of
 * the middle 99.6 % of each set, and what lies outside is counted at the ends.
 */
export function distributionChart(options: {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly label: string;
  readonly sets: readonly Distribution[];
  /** A value to mark, and its name. */
  readonly mark?: { readonly at: number; readonly text: string } | undefined;
}): Html {
  const { id, title, description, label, sets, mark } = options;
  const ends = sets.map(({ values }) => {
    const ascending = values.slice().sort();
    const at = (fraction: number) =>
      interpolateQuantile(ascending.length, fraction, (position) => ascending[position]!);
    return [at(0.002), at(0.998)] as const;
  });
  const low = Math.min(...ends.map(([end]) => end), mark?.at ?? Number.POSITIVE_INFINITY);
  const high = Math.max(...ends.map(([, end]) => end), mark?.at ?? Number.NEGATIVE_INFINITY);
  const x = numberAxis(label, low, high);
  const shares = sets.map(({ values }) => histogram(values, x.min, x.max));
  const top = Math.max(...shares.map((share) => Math.max(...share)));
  const y = numberAxis('share of the set, %', 0, 100 * top * 1.05);
  return chart({
    id,
    title,
    description,
    x,
    y,
    legend: sets.map(({ name }) => name),
    draw: (place) => {
      const steps = shares.map((share) => outline(share, x.min, x.max));
      const curves = steps.map((points, i) => polyline(place, points, i));
      return html`${fill(place, steps[0]!)}${curves}${mark && marker(place, mark.at, mark.text)}`;
    },
  });
}

/** Share of the values in each of {@link BINS} bins; values outside count at the ends. */
export function histogram(values: Float64Array, min: number, max: number): Float64Array {
  const share = new Float64Array(BINS);
  for (const value of values) {
    const bin = Math.floor(((value - min) / (max - min)) * BINS);
    share[Math.min(BINS - 1, Math.max(0, bin))]! += 1 / values.length;
  }
  return share;
}

/** The upper edge of a histogram, in percent. */
function outline(share: Float64Array, min: number, max: number): [number, number][] {
  const step = (max - min) / share.length;
  return [...share].flatMap((value, bin): [number, number][] => [
    [min + bin * step, 100 * value],
    [min + (bin + 1) * step, 100 * value],
  ]);
}

function fill({ x, y }: Placement, points: readonly (readonly [number, number])[]): Html {
  const floor = Math.min(HEIGHT, y(0));
  const path = points.map(([a, b]) => `${x(a)},${y(b)}`).join(' ');
  const [first, last] = [points[0]!, points.at(-1)!];
  return html`<polygon class="area ${seriesClass(0)}" points="${x(first[0])},${floor} ${path} ${x(last[0])},${floor}"/>`;
}
