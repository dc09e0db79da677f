import { chart, numberAxis } from './chart.ts';
import { type Html, html } from './html.ts';
import { principalPlane } from './principal-plane.ts';
import type { SampledRows } from './sampled-rows.ts';

/** The principal plane of the features of all sets together. */
export function projectionChart(
  sets: readonly { readonly name: string; readonly sample: SampledRows }[],
): Html {
  const width = sets[0]!.sample.width;
  const rows = sets.reduce((total, { sample }) => total + sample.rows, 0);
  const features = new Float32Array(rows * width);
  let at = 0;
  for (const { sample } of sets) {
    features.set(sample.features, at);
    at += sample.features.length;
  }
  const { points, explained } = principalPlane(features, rows, width);
  const shares = explained.map((share) => `${(100 * share).toFixed(0)} %`);
  const [xs, ys] = [0, 1].map((offset) => points.filter((_, i) => i % 2 === offset)) as [
    Float64Array,
    Float64Array,
  ];
  const range = (values: Float64Array) =>
    [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] as const;
  return chart({
    id: 'projection',
    title: 'Features on their principal plane',
    description: `${rows} samples of ${sets.length} sets, each penultimate feature vector a dot on the plane of largest variance, which holds ${shares.join(' and ')} of it.`,
    x: numberAxis(`first component (${shares[0]} of variance)`, ...range(xs)),
    y: numberAxis(`second (${shares[1]})`, ...range(ys)),
    legend: sets.map(({ name }) => name),
    draw: ({ x, y }) => {
      let row = 0;
      const groups = sets.map(({ sample }, set) => {
        let path = '';
        for (let i = 0; i < sample.rows; i++, row++) path += `M${x(xs[row]!)} ${y(ys[row]!)}h0`;
        return html`<path class="dots s${set % 8}" d="${path}"/>`;
      });
      return html`${groups}`;
    },
  });
}

/** What the head makes of one class. */
export interface ClassWeights {
  readonly name: string;
  /** The head's weight of each channel. */
  readonly weights: Float32Array;
  /** Mean activation of each channel over samples of the class. */
  readonly means: Float64Array;
  /** How many samples that is. */
  readonly samples: number;
}

/** Most channels drawn: those with the largest weights and the smallest are told apart in a few thousand dots. */
const MAX_CHANNELS = 4096;

/** Weights of a class against the mean activations of its samples, a dot a channel. */
export function weightsChart({ name, weights, means, samples }: ClassWeights): Html {
  const step = Math.ceil(weights.length / MAX_CHANNELS);
  const channels = Array.from({ length: Math.ceil(weights.length / step) }, (_, i) => i * step);
  const xs = channels.map((l) => weights[l]!);
  const ys = channels.map((l) => means[l]!);
  return chart({
    id: 'weights',
    title: `Weights against activations: ${name}`,
    description: `A dot for each of ${channels.length} channels: the head’s weight for the class ${name} against the channel’s mean activation over ${samples} samples of that class. Masking keeps the channels furthest to the right.`,
    x: numberAxis('weight for the class', Math.min(...xs), Math.max(...xs)),
    y: numberAxis('mean activation', Math.min(0, ...ys), Math.max(...ys)),
    draw: ({ x, y }) => {
      const path = channels.map((_, i) => `M${x(xs[i]!)} ${y(ys[i]!)}h0`).join('');
      return html`<path class="dots s0" d="${path}"/>`;
    },
  });
}
