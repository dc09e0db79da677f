import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SumTree } from '../../../shared/statistics/sum-tree.ts';
import { randomNormals, shuffledIndices } from '../random.ts';

const LENGTH = 5;

/** One vector a block, of very different sizes, so that another order of addition shows. */
function blockValues(blocks: number): Float64Array[] {
  const normal = randomNormals(blocks);
  return Array.from({ length: blocks }, () =>
    Float64Array.from({ length: LENGTH }, () => normal() * 10 ** (6 * normal())),
  );
}

function sumOf(blocks: readonly number[], values: readonly Float64Array[]): SumTree {
  const tree = new SumTree(LENGTH, values.length);
  for (const block of blocks) {
    tree.leaf.set(values[block]!);
    tree.endBlock(block);
  }
  return tree;
}

describe('sum tree', () => {
  it('gives the same bits for every split, order of merging and order of blocks', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer(),
        (blocks, shards, seed) => {
          const values = blockValues(blocks);
          const inOrder = [...values.keys()];
          const whole = sumOf(inOrder, values).total();
          const merged = new SumTree(LENGTH, blocks);
          // Blocks are dealt out like cards: no shard need have a run of them.
          const dealt = shuffledIndices(blocks, seed);
          for (const shard of shuffledIndices(shards, seed + 1)) {
            merged.merge(
              sumOf(
                dealt.filter((_, i) => i % shards === shard),
                values,
              ).save(),
            );
          }
          expect(merged.total()).toEqual(whole);
        },
      ),
      { seed: 2, numRuns: 200 },
    );
  });

  it('is the plain sum, to rounding', () => {
    const values = blockValues(37);
    const total = sumOf([...values.keys()], values).total();
    total.forEach((sum, i) => {
      const plain = values.reduce((acc, value) => acc + value[i]!, 0);
      const size = values.reduce((acc, value) => acc + Math.abs(value[i]!), 0);
      expect(Math.abs(sum - plain)).toBeLessThan(1e-14 * size);
    });
  });

  it('keeps at most log2(blocks) + 1 vectors', () => {
    const values = blockValues(79);
    const tree = new SumTree(LENGTH, 79);
    let most = 0;
    for (const [block, value] of values.entries()) {
      tree.leaf.set(value);
      tree.endBlock(block);
      most = Math.max(most, Object.keys(tree.save()).length);
    }
    expect(most).toBeLessThanOrEqual(6);
  });

  it('gives the same bits when only the parts that are added to are marked', () => {
    const blocks = 23;
    const dense = new SumTree(4 * LENGTH, blocks);
    const marked = new SumTree(4 * LENGTH, blocks, 4);
    for (const [block, values] of blockValues(blocks).entries()) {
      for (const part of new Set([block % 4, Math.floor(block / 6)])) {
        dense.leaf.set(values, part * LENGTH);
        marked.mark(part);
        marked.leaf.set(values, part * LENGTH);
      }
      dense.endBlock(block);
      marked.endBlock(block);
    }
    expect(marked.total()).toEqual(dense.total());
    const copy = new SumTree(4 * LENGTH, blocks, 4);
    copy.merge(marked.save());
    expect(copy.save()).toEqual(marked.save());
    expect(copy.total()).toEqual(dense.total());
  });

  it('saves one sum of everything, whatever the number of blocks', () => {
    for (const blocks of [1, 2, 3, 5, 79]) {
      const saved = sumOf([...Array(blocks).keys()], blockValues(blocks)).save();
      expect(Object.keys(saved)).toEqual([`sum.${Math.ceil(Math.log2(blocks))}.0`]);
    }
  });

  it('saves only the parts that were added to, and refuses a list of parts that fits no sums', () => {
    const tree = new SumTree(4 * LENGTH, 3, 4);
    tree.mark(2);
    tree.leaf.set(blockValues(1)[0]!, 2 * LENGTH);
    tree.endBlock(1);
    const { 'sum.0.1': sum, 'parts.0.1': parts } = tree.save();
    expect(sum).toEqual({ dtype: 'F64', shape: [LENGTH], data: blockValues(1)[0] });
    expect(parts).toEqual({ dtype: 'I32', shape: [1], data: Int32Array.of(2) });
    for (const foreign of [[4], [-1], [], [1, 2], [2, 2]]) {
      const data = Int32Array.from(foreign);
      const length = foreign.length === 2 ? 2 * LENGTH : LENGTH;
      const saved = {
        'sum.0.1': { dtype: 'F64', shape: [length], data: new Float64Array(length) },
        'parts.0.1': { dtype: 'I32', shape: [data.length], data },
      } as const;
      if (`${foreign}` === '1,2') expect(() => new SumTree(4 * LENGTH, 3, 4).merge(saved)).not.toThrow();
      else expect(() => new SumTree(4 * LENGTH, 3, 4).merge(saved)).toThrow(/partial sums: expected/);
    }
  });

  it.each([1, 2])('adds up the same in %i leaves of the caller, who empties them', (count) => {
    const blocks = 23;
    const own = new SumTree(3 * LENGTH, blocks, 3);
    const leaves = Array.from({ length: count }, () => new Float64Array(3 * LENGTH).fill(Number.NaN));
    const lent = new SumTree(3 * LENGTH, blocks, 3, leaves);
    const shards = [own, lent].map(() => new SumTree(3 * LENGTH, blocks, 3));
    // From the middle on, so that leaves are kept for long; the first parts of all blocks, and some others.
    const order = [...shuffledIndices(5, 1).map((i) => i + 9), 0, 1, 2, 3, 4, 5, 6, 7, 8];
    for (let block = 14; block < blocks; block++) order.push(block);
    for (const block of order) {
      const values = blockValues(block + 1)[block]!;
      for (const part of new Set([0, block % 3])) {
        for (const tree of [own, lent]) {
          tree.mark(part);
          tree.leaf.set(values, part * LENGTH);
        }
      }
      expect(lent.leaf).toBe(leaves[lent.leafIndex]);
      for (const tree of [own, lent]) tree.endBlock(block);
      if (block === 13) for (const [i, tree] of [own, lent].entries()) shards[i]!.merge(tree.save());
      expect(lent.save()).toEqual(own.save());
    }
    expect(lent.total()).toEqual(own.total());
    expect(shards[1]!.save()).toEqual(shards[0]!.save());
  });

  it('moves a sum out of a leaf once, however many blocks come after it', () => {
    const values = blockValues(30);
    const tree = sumOf([5, 6], values);
    const { data } = tree.save()['sum.0.5']!;
    for (let block = 7; block < 30; block++) {
      tree.leaf.set(values[block]!);
      tree.endBlock(block);
      expect(tree.save()['sum.0.5']!.data).toBe(data);
    }
    expect(data).toEqual(values[5]);
  });

  it('begins each block with zeros', () => {
    const tree = new SumTree(2, 3);
    for (let block = 0; block < 3; block++) {
      expect([...tree.leaf]).toEqual([0, 0]);
      tree.leaf.fill(1);
      tree.endBlock(block);
    }
    expect([...tree.total()]).toEqual([3, 3]);
  });

  it('does not change what it merged, and can be asked twice', () => {
    const values = blockValues(6);
    const saved = sumOf([0, 1, 2], values).save();
    const before = structuredClone(saved);
    const tree = sumOf([3, 4, 5], values);
    tree.merge(saved);
    expect(tree.total()).toEqual(tree.total());
    expect(saved).toEqual(before);
  });

  it('refuses blocks that are missing, doubled or foreign', () => {
    const values = blockValues(6);
    expect(() => sumOf([0, 1, 4, 5], values).total()).toThrow(/blocks 2 to 3 are missing/);
    expect(() => sumOf([0, 1, 2], values).total()).toThrow(/blocks 3 to 5 are missing/);
    const tree = sumOf([0, 1, 2, 3], values);
    expect(() => tree.merge(sumOf([2], values).save())).toThrow(/block 2 comes twice/);
    expect(() => tree.merge(sumOf([0, 1, 2, 3], values).save())).toThrow(/block 0 comes twice/);
    const narrow = { 'sum.0.4': { dtype: 'F64', shape: [4], data: new Float64Array(4) } } as const;
    expect(() => tree.merge(narrow)).toThrow(/partial sums: expected 5 F64 values/);
    expect(() => tree.merge({ 'sum.1.3': { dtype: 'F64', shape: [5], data: new Float64Array(5) } })).toThrow(
      /sum\.1\.3/,
    );
    expect(() => tree.merge({ 'sum.0.6': { dtype: 'F64', shape: [5], data: new Float64Array(5) } })).toThrow(
      /below 6/,
    );
  });
});
