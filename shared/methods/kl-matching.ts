import { HimplosError } from '../errors.ts';
import { multiplyTransposed } from '../maths/linalg/multiply-transposed.ts';
import { softmax } from '../maths/logit-sums.ts';
import { collect } from '../statistics/contract.ts';
import { predictedProbabilities } from '../statistics/predicted-probabilities.ts';
import { f64, type Tensors } from '../tensor.ts';
import type { Head } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat, graphRowSums } from './graph-pieces.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { BLOCK_ROWS, blockScorer } from './plain-scorer.ts';
import { requireSize } from './require-size.ts';
import { requireTensor } from './require-tensor.ts';

/**
 * S = −min_c KL(p ‖ d_c), d_c the mean softmax of the training rows **predicted** c. Classes that no training row is
 * predicted as have no d_c and are left out of the minimum. Entries of d_c that underflow count as the smallest
 * float64, so the divergence stays finite.
 *
 * Tensors: `log-templates` F64 [C, C], log d_c; `counts` F64 [C].
 */
export const klMatching = defineMethod({
  id: 'kl-matching',
  title: 'KL-matching',
  source:
    'Hendrycks et al., Scaling Out-of-Distribution Detection for Real-World Settings, ICML 2022, section 4',
  params: {},
  build: () => ({
    *fit({ head: { classes } }) {
      requireSize('kl-matching', 'the mean probabilities', classes, classes, 8);
      const { predicted } = yield* collect({ predicted: predictedProbabilities });
      const { counts, sums } = predicted;
      const logTemplates = sums.map((sum, i) => {
        const count = counts[Math.floor(i / classes)]!;
        return count === 0 ? 0 : Math.log(Math.max(sum / count, Number.MIN_VALUE));
      });
      return { 'log-templates': f64(logTemplates, classes, classes), counts: f64(counts, classes) };
    },
    prepare: (head, tensors) => {
      const { classes } = head;
      const { templates, count } = readTemplates(head, tensors);
      const probabilities = new Float64Array(BLOCK_ROWS * classes);
      const crossings = new Float64Array(BLOCK_ROWS * count);
      return blockScorer(head, (_features, _at, logits, logitsAt, rows, scores) => {
        for (let i = 0; i < rows; i++)
          softmax(logits, logitsAt + i * classes, classes, probabilities, i * classes);
        multiplyTransposed(probabilities, templates, crossings, { rows, columns: count, depth: classes });
        for (let i = 0; i < rows; i++) {
          let entropy = 0;
          for (let k = i * classes; k < (i + 1) * classes; k++) {
            const p = probabilities[k]!;
            if (p > 0) entropy -= p * Math.log(p);
          }
          let best = Number.NEGATIVE_INFINITY;
          for (let c = i * count; c < (i + 1) * count; c++) best = Math.max(best, crossings[c]!);
          // −min_c Σ p·(log p − log d_c) = max_c Σ p·log d_c + entropy
          scores[i] = best + entropy;
        }
      });
    },
    graph: (builder, { logits }, head, tensors) => {
      const { classes } = head;
      const { templates, count } = readTemplates(head, tensors);
      const wide = builder.op('Cast', [logits], { to: ONNX_DOUBLE });
      const p = builder.op('Softmax', [wide], { axis: 1 });
      const logP = builder.op('LogSoftmax', [wide], { axis: 1 });
      const columns = templates.map((_, i) => templates[(i % count) * classes + Math.floor(i / count)]!);
      const crossings = builder.op('MatMul', [p, builder.constant(f64(columns, classes, count))]);
      const best = builder.op('ReduceMax', [crossings], { axes: [1], keepdims: 1 });
      const negativeEntropy = graphRowSums(builder, builder.op('Mul', [p, logP]), classes);
      return { score: graphFlat(builder, builder.op('Sub', [best, negativeEntropy])) };
    },
  }),
});

/** The rows of `log-templates` that belong to a class some training row was predicted as. */
function readTemplates({ classes }: Head, tensors: Tensors): { templates: Float64Array; count: number } {
  const all = requireTensor(tensors, 'log-templates', 'F64', [classes, classes]);
  const counts = requireTensor(tensors, 'counts', 'F64', [classes]);
  const present = [...counts.keys()].filter((c) => counts[c]! > 0);
  if (present.length === 0)
    throw new HimplosError(
      'bad-artifact',
      'tensor counts: expected a class that rows are predicted as, got none',
    );
  const templates = new Float64Array(present.length * classes);
  present.forEach((c, row) => {
    templates.set(all.subarray(c * classes, (c + 1) * classes), row * classes);
  });
  return { templates, count: present.length };
}
