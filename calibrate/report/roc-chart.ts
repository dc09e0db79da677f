import { chart, percentAxis, polyline } from './chart.ts';
import type { Distribution } from './distribution-chart.ts';
import { type Html, html } from './html.ts';

/** Steps of a drawn curve: more would not be seen. */
const STEPS = 200;

/** Receiver operating characteristics of one ID set against several OOD sets, ID positive. */
export function rocChart(id: Distribution, ood: readonly Distribution[]): Html {
  return chart({
    id: 'roc',
    title: 'ROC curves',
    description: `Share of in-distribution samples accepted against the share of each out-of-distribution set accepted, as the threshold moves; ${ood.length} sets. The area under each curve is its AUROC in the table.`,
    x: percentAxis('out-of-distribution samples accepted'),
    y: percentAxis('in-distribution accepted'),
    legend: ood.map(({ name }) => name),
    firstSeries: 1, // every set keeps the colour it has among the score distributions
    draw: (place) => {
      const chance = html`<line class="grid" x1="${place.x(0)}" y1="${place.y(0)}" x2="${place.x(1)}" y2="${place.y(1)}"/>`;
      const curves = ood.map(({ values }, i) => polyline(place, rocCurve(id.values, values), i + 1));
      return html`${chance}${curves}`;
    },
  });
}

/** Points (share of `ood` ≥ t, share of `id` ≥ t) for thresholds t at evenly spaced ranks, from (0, 0) to (1, 1). */
export function rocCurve(id: Float64Array, ood: Float64Array): [number, number][] {
  const ascendingId = id.slice().sort();
  const ascendingOod = ood.slice().sort();
  const thresholds = [ascendingId, ascendingOod].flatMap((scores) =>
    Array.from({ length: STEPS }, (_, i) => scores[Math.floor((i / STEPS) * scores.length)]!),
  );
  const points = [...new Set(thresholds)]
    .sort((a, b) => b - a)
    .map((t): [number, number] => [shareFrom(ascendingOod, t), shareFrom(ascendingId, t)]);
  return [[0, 0], ...points, [1, 1]];
}

function shareFrom(ascending: Float64Array, threshold: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < threshold) low = middle + 1;
    else high = middle;
  }
  return (ascending.length - low) / ascending.length;
}
