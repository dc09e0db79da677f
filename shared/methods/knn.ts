import { f32, type Tensors } from '../tensor.ts';
import { type BankKeys, inverseNorm, type Nearest, prepareBankSearch } from './bank-search.ts';
import type { Head } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { bankParam, collectBank, readBank } from './feature-bank.ts';
import { countParam } from './params.ts';
import { blockScorer } from './plain-scorer.ts';

/**
 * S = −‖z − z₍k₎‖, the (plain, not squared) distance from z = h/‖h‖ to its k-th nearest z in a bank of training
 * features; a zero vector stays one.
 *
 * Tensor: `bank`, F32 [rows, L], raw features.
 */
export const knn = defineMethod({
  id: 'knn',
  title: 'KNN',
  source: 'Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022, eq. 4',
  params: { k: countParam(50), bank: bankParam() },
  build: ({ k, bank: limit }) => ({
    *fit(context) {
      const kept = yield* collectBank('knn', { k, limit }, context);
      return { bank: f32(kept.features, kept.rows, context.head.width) };
    },
    prepare: (head, tensors) => {
      const { width } = head;
      const keys = prepareKeys(head, tensors, k);
      const search = prepareBankSearch(keys, k);
      return blockScorer(head, (features, at, _logits, _logitsAt, rows, scores) => {
        search(features, at, rows, (i, nearest, units) => {
          scores[i] = -distanceToFarthest(nearest, keys, units, i * width);
        });
      });
    },
  }),
});

/** ‖z − z_i‖² = ‖z‖² + ‖z_i‖² − 2⟨z, z_i⟩: nearest is largest ⟨z, z_i⟩ − ‖z_i‖²/2. */
function prepareKeys({ width }: Head, tensors: Tensors, k: number): BankKeys {
  const { features, rows } = readBank(tensors, width, k);
  const factors = Float64Array.from({ length: rows }, (_, i) => inverseNorm(features, i * width, width));
  const offsets = factors.map((factor) => (factor === 0 ? 0 : -0.5));
  return { features, rows, width, factors, offsets };
}

/** Computed from the difference itself: 2 − 2·cosine would lose the digits of small distances. */
function distanceToFarthest(
  { indices }: Nearest,
  { features, width, factors }: BankKeys,
  units: Float64Array,
  at: number,
): number {
  const index = indices[0]!;
  let square = 0;
  for (let l = 0; l < width; l++) {
    const apart = units[at + l]! - features[index * width + l]! * factors[index]!;
    square += apart * apart;
  }
  return Math.sqrt(square);
}
