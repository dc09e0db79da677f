import { HimplosError } from '../../errors.ts';
import { selectInPlace } from '../../maths/select.ts';
import type { GraphBuilder, GraphValue } from '../contract.ts';
import { graphNumber, graphRowSums, graphSizes } from '../graph-pieces.ts';
import { ONNX_DOUBLE } from '../logit-score.ts';

/**
 * k = L − round(p·L/100), the number of a sample's activations that stay; halves go to the even number, as Python's
 * `round` does. Throws `bad-usage` when none would.
 */
export function countTop(method: string, width: number, percent: number): number {
  const kept = width - roundHalfEven((percent * width) / 100);
  if (kept >= 1) return kept;
  throw new HimplosError(
    'bad-usage',
    `method ${method}, p: ${percent} % leaves none of ${width} activations`,
    {
      hint: 'choose a lower percentage',
    },
  );
}

/** The largest activations of one sample. */
export interface Top {
  /** Sum over all activations, s1 in the papers. */
  readonly total: number;
  /** Sum over the largest, s2. */
  readonly topTotal: number;
  /** Those above it are among the largest. */
  readonly threshold: number;
  /** How many of those equal to it are, from the lowest channel on. */
  readonly ties: number;
}

/** Finds the k largest of L activations; ties go to the lowest channels. */
export function findTop(
  features: Float32Array,
  at: number,
  width: number,
  kept: number,
  scratch: Float64Array,
): Top {
  for (let l = 0; l < width; l++) scratch[l] = features[at + l]!;
  const threshold = selectInPlace(scratch, width, width - kept);
  let [total, topTotal, above] = [0, 0, 0];
  for (let l = 0; l < width; l++) {
    const value = features[at + l]!;
    total += value;
    if (value <= threshold) continue;
    topTotal += value;
    above++;
  }
  const ties = kept - above;
  return { total, topTotal: topTotal + ties * threshold, threshold, ties };
}

/**
 * exp(s1 / s2), with which ASH-S and SCALE multiply. Defined where the papers leave it open: 1 for s2 = 0 (nothing is
 * active), and the exponent is kept within ±50, which activations that are not negative never reach unless k < L/50.
 */
export function scaleFactor({ total, topTotal }: Top): number {
  if (topTotal === 0) return 1;
  return Math.exp(Math.max(-MAX_EXPONENT, Math.min(MAX_EXPONENT, total / topTotal)));
}

const MAX_EXPONENT = 50;

/** ONNX nodes of the k largest activations. */
export interface GraphTop {
  /** float32 [N, L]: the largest in their places, zeros elsewhere. */
  readonly pruned: GraphValue;
  /** int64 [N, k]: their channels. */
  readonly channels: GraphValue;
  /** float64 [N, 1]. */
  readonly total: GraphValue;
  /** float64 [N, 1]. */
  readonly topTotal: GraphValue;
}

/** {@link findTop} as ONNX nodes; TopK prefers the lowest index too. */
export function graphTop(builder: GraphBuilder, features: GraphValue, width: number, kept: number): GraphTop {
  const [values, channels] = builder.ops('TopK', [features, graphSizes(builder, kept)], 2, {
    axis: 1,
  });
  return {
    pruned: scatter(builder, features, channels!, values!),
    channels: channels!,
    total: graphRowSums(builder, builder.op('Cast', [features], { to: ONNX_DOUBLE }), width),
    topTotal: graphRowSums(builder, builder.op('Cast', [values!], { to: ONNX_DOUBLE }), kept),
  };
}

/** Zeros of the shape of `features`, but `values` at `channels`. */
export function scatter(
  builder: GraphBuilder,
  features: GraphValue,
  channels: GraphValue,
  values: GraphValue,
): GraphValue {
  const zeros = builder.op('Sub', [features, features]);
  return builder.op('ScatterElements', [zeros, channels, values], { axis: 1 });
}

/** {@link scaleFactor} as ONNX nodes: float64 [N, 1]. */
export function graphScaleFactor(builder: GraphBuilder, { total, topTotal }: GraphTop): GraphValue {
  const isNothing = builder.op('Equal', [topTotal, graphNumber(builder, 0)]);
  const ratio = builder.op('Div', [
    total,
    builder.op('Where', [isNothing, graphNumber(builder, 1), topTotal]),
  ]);
  const bounded = builder.op('Max', [
    builder.op('Min', [ratio, graphNumber(builder, MAX_EXPONENT)]),
    graphNumber(builder, -MAX_EXPONENT),
  ]);
  return builder.op('Exp', [builder.op('Where', [isNothing, graphNumber(builder, 0), bounded])]);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
