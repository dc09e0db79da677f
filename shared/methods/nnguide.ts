import { applyLinearTo } from '../maths/linear.ts';
import { logSumExp } from '../maths/logit-sums.ts';
import { f32, f64 } from '../tensor.ts';
import { inverseNorm, prepareBankSearch } from './bank-search.ts';
import type { Head } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { bankParam, collectBank, readBank } from './feature-bank.ts';
import { countParam } from './params.ts';
import { BLOCK_ROWS, blockScorer } from './plain-scorer.ts';
import { requireTensor } from './require-tensor.ts';

/**
 * S = LSE(f)·(mean of the k largest ⟨z, E_i·z_i⟩ over a bank of training features), z = h/‖h‖ and E_i the energy
 * LSE(f) of bank row i; a zero vector stays one.
 *
 * Tensors: `bank`, F32 [rows, L], raw features; `energies`, F64 [rows].
 */
export const nnguide = defineMethod({
  id: 'nnguide',
  title: 'NNGuide',
  source:
    'Park, Jung and Teoh, Nearest Neighbor Guidance for Out-of-Distribution Detection, ICCV 2023, eq. 3 to 5',
  params: { k: countParam(10), bank: bankParam() },
  build: ({ k, bank: limit }) => ({
    *fit(context) {
      const { head } = context;
      const kept = yield* collectBank('nnguide', { k, limit }, context);
      return {
        bank: f32(kept.features, kept.rows, head.width),
        energies: f64(energiesOf(head, kept.features, kept.rows), kept.rows),
      };
    },
    prepare: (head, tensors) => {
      const { classes, width } = head;
      const { features: bankFeatures, rows: bankRows } = readBank(tensors, width, k);
      const energies = requireTensor(tensors, 'energies', 'F64', [bankRows]);
      const factors = energies.map((energy, i) => energy * inverseNorm(bankFeatures, i * width, width));
      const offsets = new Float64Array(bankRows);
      const search = prepareBankSearch(
        { features: bankFeatures, rows: bankRows, width, factors, offsets },
        k,
      );
      return blockScorer(head, (features, at, logits, logitsAt, rows, scores) => {
        search(features, at, rows, (i, { keys }) => {
          const guidance = keys.reduce((sum, key) => sum + key, 0) / k;
          scores[i] = logSumExp(logits, logitsAt + i * classes, classes) * guidance;
        });
      });
    },
  }),
});

function energiesOf(head: Head, features: Float32Array, rows: number): Float64Array {
  const { classes, width } = head;
  const energies = new Float64Array(rows);
  const scratch = new Float64Array(BLOCK_ROWS * width);
  const logits = new Float64Array(BLOCK_ROWS * classes);
  for (let first = 0; first < rows; first += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, rows - first);
    applyLinearTo(head, features.subarray(first * width), count, scratch, logits);
    for (let i = 0; i < count; i++) energies[first + i] = logSumExp(logits, i * classes, classes);
  }
  return energies;
}
