import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEvaluation, type Evaluation, encodeEvaluation } from '../../../shared/artifact/evaluation.ts';
import {
  MAX_EVALUATION_ROWS,
  type SelectedRows,
  selectRows,
} from '../../../shared/artifact/row-selection.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import type { Batch } from '../../../shared/statistics/contract.ts';
import type { Tensor } from '../../../shared/tensor.ts';
import { failureOf } from '../formats/expect-failure.ts';

const WIDTH = 3;
type Row = { readonly features: readonly number[]; readonly label: number };

function batch(rows: readonly Row[]): Batch {
  return {
    rows: rows.length,
    firstRow: 0,
    features: Float32Array.from(rows.flatMap((row) => row.features)),
    labels: Int32Array.from(rows, (row) => row.label),
    logits: () => new Float64Array(0),
  };
}

function select(rows: readonly Row[], limit: number): SelectedRows {
  const selection = selectRows(WIDTH, limit);
  for (let at = 0; at < rows.length; at += 7) selection.add(batch(rows.slice(at, at + 7)));
  return selection.result();
}

function rowsOf({ rows, features, labels }: SelectedRows): Row[] {
  return Array.from({ length: rows }, (_, row) => ({
    features: [...features.subarray(row * WIDTH, (row + 1) * WIDTH)],
    label: labels[row]!,
  }));
}

const row = fc.record({
  features: fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
    minLength: WIDTH,
    maxLength: WIDTH,
  }),
  label: fc.integer({ min: -1, max: 5 }),
});
const rows = fc.array(row, { maxLength: 60 });
const limit = fc.integer({ min: 0, max: 40 });

describe('selecting rows', () => {
  it('does not depend on the order of the rows', () => {
    fc.assert(
      fc.property(rows, limit, fc.infiniteStream(fc.nat()), (given, most, keys) => {
        const shuffled = given
          .map((value) => ({ value, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ value }) => value);
        expect(select(shuffled, most)).toEqual(select(given, most));
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('keeps the smallest of all hashes: one row less is one row more than the last', () => {
    fc.assert(
      fc.property(rows, limit, (given, most) => {
        // The oracle: everything in hash order, cut at the limit.
        const all = select(given, given.length);
        expect(rowsOf(select(given, most))).toEqual(rowsOf(all).slice(0, most));
        expect(all.rows).toBe(given.length);
        expect(
          rowsOf(all)
            .map((r) => JSON.stringify(r))
            .sort(),
        ).toEqual(
          rowsOf({ ...all, features: batch(given).features, labels: batch(given).labels })
            .map((r) => JSON.stringify(r))
            .sort(),
        );
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('gives the same after any split into shards', () => {
    fc.assert(
      fc.property(rows, limit, fc.nat({ max: 60 }), (given, most, cut) => {
        const first = selectRows(WIDTH, most);
        const second = selectRows(WIDTH, most);
        first.add(batch(given.slice(0, cut)));
        second.add(batch(given.slice(cut)));
        const merged = selectRows(WIDTH, most);
        merged.merge(second.save());
        merged.merge(first.save());
        expect(merged.result()).toEqual(select(given, most));
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it('draws from the whole of an ordered set, not from its start', () => {
    const ordered = Array.from({ length: 4000 }, (_, i) => ({ features: [i, 1, 2], label: 0 }));
    const picked = rowsOf(select(ordered, 400)).map(({ features }) => features[0]!);
    for (let quarter = 0; quarter < 4; quarter++) {
      const share = picked.filter((i) => Math.floor(i / 1000) === quarter).length;
      expect(share).toBeGreaterThan(70);
      expect(share).toBeLessThan(130);
    }
  });

  it('refuses the state of another width', () => {
    const other = selectRows(2, 4);
    expect(failureOf(() => selectRows(WIDTH, 4).merge(other.save())).code).toBe('bad-input');
  });
});

describe('the evaluation file', () => {
  const evaluation: Evaluation = {
    width: WIDTH,
    id: { rows: 2, totalRows: 10, features: Float32Array.of(1, 2, 3, 4, 5, 6), labels: Int32Array.of(4, 0) },
    ood: [
      {
        name: 'größe/"x"',
        rows: { rows: 1, totalRows: 1, features: Float32Array.of(7, 8, 9), labels: Int32Array.of(-1) },
      },
      {
        name: 'empty',
        rows: { rows: 0, totalRows: 0, features: new Float32Array(0), labels: new Int32Array(0) },
      },
    ],
  };

  it('gives back what was written, with and without an ID set', () => {
    expect(decodeEvaluation(encodeEvaluation(evaluation))).toEqual(evaluation);
    const without = { ...evaluation, id: null };
    expect(decodeEvaluation(encodeEvaluation(without))).toEqual(without);
  });

  it('has the tensors other tools expect', () => {
    const { tensors } = decodeSafetensors(encodeEvaluation(evaluation));
    expect(Object.entries(tensors).map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape}`)).toEqual([
      'id.labels I64 2',
      'id.features F32 2,3',
      'ood.0.features F32 1,3',
      'ood.1.features F32 0,3',
    ]);
  });

  it('refuses every truncation', () => {
    const bytes = encodeEvaluation(evaluation);
    for (let length = 0; length < bytes.length; length++) {
      expect(failureOf(() => decodeEvaluation(bytes.subarray(0, length))).code).toBe('bad-artifact');
    }
  });

  it.each<[string, (tensors: Record<string, Tensor>, document: Record<string, unknown>) => unknown]>([
    ['an unknown tensor', (t) => Object.assign(t, { more: t['id.labels'] })],
    ['a missing tensor', (t) => Reflect.deleteProperty(t, 'id.labels')],
    ['another width', (_, d) => Object.assign(d, { width: 4 })],
    ['more rows than the set had', (_, d) => Object.assign(d, { idRows: 1 })],
    ['an unknown field', (_, d) => Object.assign(d, { extra: 1 })],
    ['a newer format', (_, d) => Object.assign(d, { formatVersion: 2 })],
    [
      'labels for other rows',
      (t) => Object.assign(t, { 'id.labels': { dtype: 'I64', shape: [3], data: new BigInt64Array(3) } }),
    ],
    [
      'a label below −1',
      (t) => Object.assign(t, { 'id.labels': { dtype: 'I64', shape: [2], data: BigInt64Array.of(-2n, 0n) } }),
    ],
    [
      'a feature that is not a number',
      (t) =>
        Object.assign(t, {
          'id.features': { dtype: 'F32', shape: [2, 3], data: new Float32Array(6).fill(Number.NaN) },
        }),
    ],
    [
      'features of another type',
      (t) => Object.assign(t, { 'id.features': { dtype: 'F64', shape: [2, 3], data: new Float64Array(6) } }),
    ],
    [
      'too many rows',
      (t, d) => {
        const n = MAX_EVALUATION_ROWS + 1;
        t['ood.0.features'] = { dtype: 'F32', shape: [n, WIDTH], data: new Float32Array(n * WIDTH) };
        d.ood = [
          { name: 'a', rows: n },
          { name: 'empty', rows: 0 },
        ];
      },
    ],
  ])('refuses %s', (_, change) => {
    const { tensors, metadata } = decodeSafetensors(encodeEvaluation(evaluation));
    const document = JSON.parse(metadata.himplos_evaluation!) as Record<string, unknown>;
    const changed = { ...tensors };
    change(changed, document);
    const bytes = encodeSafetensors(changed, { himplos_evaluation: JSON.stringify(document) });
    expect(failureOf(() => decodeEvaluation(bytes)).code).toBe('bad-artifact');
  });

  it('is not written with more rows or other widths than it may have', () => {
    expect(failureOf(() => encodeEvaluation({ ...evaluation, width: 4 })).code).toBe('bad-input');
  });
});
