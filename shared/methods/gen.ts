import { argmax } from '../maths/logit-sums.ts';
import { selectInPlace } from '../maths/select.ts';
import type { GraphValue } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat, graphNumber, graphRowSums, graphSizes } from './graph-pieces.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { countParam, numberParam } from './params.ts';
import { rowScorer } from './plain-scorer.ts';

/**
 * S = −Σ p^γ·(1 − p)^γ over the M largest softmax probabilities p: the generalised entropy, negated. All in float64,
 * in the graph too: in float32 1 − p has no digits left for confident samples.
 */
export const gen = defineMethod({
  id: 'gen',
  title: 'GEN',
  source:
    'Liu, Lochman and Zach, GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection, CVPR 2023, eq. 3 and 4',
  params: {
    gamma: numberParam(0.1, 'a number above 0 and below 1', (value) => value > 0 && value < 1),
    m: countParam(100),
  },
  build: ({ gamma, m }) => ({
    // biome-ignore lint/correctness/useYield: no statistics are needed, so no pass is asked for
    *fit() {
      return {};
    },
    prepare: (head) => {
      const { classes } = head;
      const kept = Math.min(classes, m);
      const probabilities = new Float64Array(classes);
      return rowScorer(head, (_features, _at, logits, logitsAt) => {
        softmaxByEights(logits, logitsAt, classes, probabilities);
        // The order among the kept ones is whatever selection leaves; it is the same for equal logits.
        if (kept < classes) selectInPlace(probabilities, classes, classes - kept);
        let sum = 0;
        for (let k = classes - kept; k < classes; k++) {
          const p = probabilities[k]!;
          sum += p ** gamma * (1 - p) ** gamma;
        }
        return -sum;
      });
    },
    graph: (builder, { logits }, { classes }) => {
      const kept = Math.min(classes, m);
      const wide = builder.op('Cast', [logits], { to: ONNX_DOUBLE });
      const all = builder.op('Softmax', [wide], { axis: 1 });
      const [p] = builder.ops('TopK', [all, graphSizes(builder, kept)], 2, {
        axis: 1,
      });
      const power = (x: GraphValue) => builder.op('Pow', [x, graphNumber(builder, gamma)]);
      const terms = builder.op('Mul', [power(p!), power(builder.op('Sub', [graphNumber(builder, 1), p!]))]);
      return { score: builder.op('Neg', [graphFlat(builder, graphRowSums(builder, terms, kept))]) };
    },
  }),
});

/**
 * Softmax whose sum runs over eight partial sums, as numpy's does (up to 128 classes, bit for bit). It matters here:
 * 1 − p of a confident sample is made of this sum's rounding, and p^γ with a small γ enlarges it; left to right,
 * scores on the CIFAR-10 benchmark move by 2e-8.
 */
function softmaxByEights(logits: Float64Array, at: number, classes: number, out: Float64Array): void {
  const largest = logits[at + argmax(logits, at, classes)]!;
  for (let k = 0; k < classes; k++) out[k] = Math.exp(logits[at + k]! - largest);
  const sum = sumByEights(out, classes);
  for (let k = 0; k < classes; k++) out[k]! /= sum;
}

function sumByEights(values: Float64Array, count: number): number {
  const whole = count - (count % 8);
  let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < whole; i += 8) {
    a += values[i]!;
    b += values[i + 1]!;
    c += values[i + 2]!;
    d += values[i + 3]!;
    e += values[i + 4]!;
    f += values[i + 5]!;
    g += values[i + 6]!;
    h += values[i + 7]!;
  }
  let total = a + b + (c + d) + (e + f + (g + h));
  for (let i = whole; i < count; i++) total += values[i]!;
  return total;
}
