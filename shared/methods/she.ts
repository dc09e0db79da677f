import { classMeans, correctClassSums } from '../statistics/class-sums.ts';
import { collect } from '../statistics/contract.ts';
import { f64, type Tensors } from '../tensor.ts';
import { FLAG_NO_PROTOTYPE, type Head } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { graphFlat, graphRowSums } from './graph-pieces.ts';
import { ONNX_DOUBLE } from './logit-score.ts';
import { rowScorer } from './plain-scorer.ts';
import { requireTensor } from './require-tensor.ts';

/**
 * S = ⟨h, S_ŷ⟩ with S_c the mean feature of the training rows labelled **and** predicted c. A class without such
 * rows has a pattern of zeros: its samples score 0 and are flagged.
 *
 * Tensor: `patterns`, F64 [C, L].
 */
export const she = defineMethod({
  id: 'she',
  title: 'SHE',
  source:
    'Zhang et al., Out-of-Distribution Detection Based on In-Distribution Data Patterns Memorization with Modern Hopfield Energy, ICLR 2023, eq. 5',
  params: {},
  build: () => ({
    *fit({ warn }) {
      const { sums } = yield* collect({ sums: correctClassSums });
      const { classes, width, counts } = sums;
      const missing = counts.reduce((total, count) => total + (count === 0 ? 1 : 0), 0);
      if (missing > 0) {
        warn(
          `${missing} of ${classes} classes have no training row that is classified correctly; whatever is predicted ` +
            'as one of them is decided out-of-distribution.',
        );
      }
      return { patterns: f64(classMeans(sums), classes, width) };
    },
    prepare: (head, tensors) => {
      const { width } = head;
      const patterns = readPatterns(head, tensors);
      const isMissing = findMissing(head, tensors);
      return rowScorer(
        head,
        (features, at, _logits, _logitsAt, predicted) => {
          const from = predicted * width;
          let sum = 0;
          for (let l = 0; l < width; l++) sum += features[at + l]! * patterns[from + l]!;
          return sum;
        },
        (predicted) => (isMissing[predicted] === 1 ? FLAG_NO_PROTOTYPE : 0),
      );
    },
    refusedClasses: findMissing,
    graph: (builder, { features, predicted }, head, tensors) => {
      const { classes, width } = head;
      const patterns = builder.constant(f64(readPatterns(head, tensors), classes, width));
      const pattern = builder.op('Gather', [patterns, predicted], { axis: 0 });
      const wide = builder.op('Cast', [features], { to: ONNX_DOUBLE });
      const products = builder.op('Mul', [wide, pattern]);
      return { score: graphFlat(builder, graphRowSums(builder, products, width)) };
    },
  }),
});

/** 1 for the classes without a pattern. */
function findMissing(head: Head, tensors: Tensors): Uint8Array {
  const patterns = readPatterns(head, tensors);
  return Uint8Array.from({ length: head.classes }, (_, c) =>
    patterns.subarray(c * head.width, (c + 1) * head.width).every((value) => value === 0) ? 1 : 0,
  );
}

function readPatterns({ classes, width }: Head, tensors: Tensors): Float64Array {
  return requireTensor(tensors, 'patterns', 'F64', [classes, width]);
}
