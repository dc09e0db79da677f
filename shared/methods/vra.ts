import { HimplosError } from '../errors.ts';
import { collect } from '../statistics/contract.ts';
import { perChannelQuantiles } from '../statistics/per-channel-quantiles.ts';
import { activationQuantiles } from '../statistics/quantiles.ts';
import { f32, f64, type Tensors } from '../tensor.ts';
import type { Head } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { ENERGY } from './logit-score.ts';
import { choiceParam, numberParam } from './params.ts';
import { requireTensor } from './require-tensor.ts';
import { graphShaped, shapedScorer } from './shaped-scorer.ts';

const percentile = (fallback: number) =>
  numberParam(fallback, 'a percentile from 0 to 100', (value) => value >= 0 && value <= 100);
const level = (fallback: number) => numberParam(fallback, 'a number', () => true);

/**
 * S = LSE(W·v(h) + b) with v(h) = 0 below a, h within [a, b], b above (zeroed, not clipped, below a).
 *
 * a and b are quantiles of each channel's training activations (`mode=channel`, percentiles `low` and `high`), the
 * same quantiles of all activations pooled (`global`), or the numbers `a` and `b` (`absolute`).
 *
 * Tensors: `lower` and `upper`, F64 [L] or, except for `channel`, [1].
 */
export const vra = defineMethod({
  id: 'vra',
  title: 'VRA',
  source:
    'Xu et al., VRA: Variational Rectified Activation for Out-of-distribution Detection, NeurIPS 2023, eq. 12',
  params: {
    mode: choiceParam('channel', ['channel', 'global', 'absolute']),
    low: percentile(60),
    high: percentile(95),
    a: level(0.5),
    b: level(1),
  },
  build: ({ mode, low, high, a, b }) => {
    requireOrder('low', low, 'high', high);
    requireOrder('a', a, 'b', b);
    return {
      *fit({ trainRows }) {
        if (mode === 'absolute') return bounds(Float64Array.of(a), Float64Array.of(b));
        if (mode === 'channel') {
          const [lower, upper] = yield* perChannelQuantiles([low / 100, high / 100], trainRows);
          return bounds(lower!, upper!);
        }
        const { quantiles } = yield* collect({ quantiles: activationQuantiles });
        return bounds(Float64Array.of(quantiles.at(low / 100)), Float64Array.of(quantiles.at(high / 100)));
      },
      prepare: (head, tensors) => {
        const { width } = head;
        const { lower, upper } = readBounds(mode, head, tensors);
        return shapedScorer(head, tensors, {
          shape: (features, at, _predicted, out, outAt) => {
            for (let l = 0; l < width; l++) {
              const value = features[at + l]!;
              out[outAt + l] = value < lower[l]! ? 0 : Math.min(value, upper[l]!);
            }
          },
          smoothing: { kind: 'none' },
          score: ENERGY,
        });
      },
      graph: (builder, inputs, head, tensors) => {
        const { lower, upper } = readBounds(mode, head, tensors);
        const constant = (values: Float32Array) => builder.constant(f32(values, values.length));
        const isBelow = builder.op('Less', [inputs.features, constant(Float32Array.from(lower, roundUp))]);
        const capped = builder.op('Min', [inputs.features, constant(Float32Array.from(upper))]);
        const shaped = builder.op('Where', [isBelow, constant(Float32Array.of(0)), capped]);
        return graphShaped(builder, inputs, head, tensors, {
          shaped,
          smoothing: { kind: 'none' },
          score: ENERGY,
        });
      },
    };
  },
});

function requireOrder(lowKey: string, low: number, highKey: string, high: number): void {
  if (low <= high) return;
  throw new HimplosError(
    'bad-usage',
    `method vra: expected ${lowKey} not above ${highKey}, got ${lowKey}=${low} and ${highKey}=${high}`,
    { hint: 'activations below the first are zeroed, those above the second clipped' },
  );
}

function bounds(lower: Float64Array, upper: Float64Array): Tensors {
  return { lower: f64(lower, lower.length), upper: f64(upper, upper.length) };
}

/** One value a channel, whatever the mode. */
function readBounds(mode: string, { width }: Head, tensors: Tensors) {
  const read = (name: string) => {
    const values = requireTensor(tensors, name, 'F64', [mode === 'channel' ? width : 1]);
    return mode === 'channel' ? values : new Float64Array(width).fill(values[0]!);
  };
  return { lower: read('lower'), upper: read('upper') };
}

/**
 * The smallest float32 not below a number. A float32 h is below the number exactly when it is below that float32, so
 * the graph zeroes the same activations; rounding to nearest would not.
 */
function roundUp(value: number): number {
  const nearest = Math.fround(value);
  if (nearest >= value) return nearest;
  const bits = new Int32Array(Float32Array.of(nearest).buffer);
  bits[0]! += nearest >= 0 ? 1 : -1;
  return new Float32Array(bits.buffer)[0]!;
}
