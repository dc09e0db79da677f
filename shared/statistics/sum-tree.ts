import { HimplosError } from '../errors.ts';
import { f64, type Tensor, type Tensors } from '../tensor.ts';

/** A vector cut into parts of equal length; a part that nothing was added to is not there. */
type Parts = (Float64Array | undefined)[];

/** A sum over the blocks `first … first + 2^level − 1`, as far as there are so many; `first` is a multiple of 2^level. */
interface Node {
  readonly level: number;
  readonly first: number;
  readonly sum: Parts;
  /** What the parts are views on, where all of them were there from the beginning. */
  readonly whole?: Float64Array | undefined;
}

/**
 * Adds up one vector a block so that the result does not depend, bit for bit, on who summed which blocks: blocks
 * are the leaves of a fixed binary tree over 0 … blocks − 1, and only siblings are ever added (at the right edge, a node
 * without a sibling stands for its parent too). Floating-point addition is not associative; a fixed tree makes that
 * harmless (and keeps the error at O(log blocks), as in pairwise summation: Higham, SIAM J. Sci. Comput. 14(4), 1993).
 *
 * In block order at most ⌊log2 blocks⌋ + 1 vectors are allocated, the current leaf included.
 */
export class SumTree {
  readonly #length: number;
  readonly #partLength: number;
  readonly #blocks: number;
  readonly #nodes = new Map<string, Node>();
  /** Vectors and parts that are no longer needed, for reuse: at up to 16 MiB they must not wait for a garbage collection. */
  readonly #spareVectors: Float64Array[] = [];
  readonly #spareParts: Float64Array[] = [];
  readonly #leaf: Float64Array;
  readonly #isMarked: Uint8Array;

  /**
   * @param length values in a block's vector
   * @param blocks number of blocks of the whole source
   * @param parts how many parts of equal length a vector has, if it is filled part by part (see {@link mark})
   * @param leaf the vector that blocks are added up in, all zeros, where it has to stand in a place of the caller's
   */
  constructor(length: number, blocks: number, parts = 1, leaf: Float64Array = new Float64Array(length)) {
    this.#length = length;
    this.#partLength = length / parts;
    this.#blocks = blocks;
    this.#leaf = leaf;
    this.#isMarked = new Uint8Array(parts);
  }

  /** The vector of the block being read, zero at its beginning: add to it in place. One of a single part is marked by this. */
  get leaf(): Float64Array {
    if (this.#isMarked.length === 1) this.mark(0);
    return this.#leaf;
  }

  /**
   * Says that a part of the leaf is being added to. All others must stay zero and cost nothing: not when the block ends,
   * and not in what is saved. In archives ordered by class a block touches a few classes of 1000.
   */
  mark(part: number): void {
    this.#isMarked[part] = 1;
  }

  /** Ends block `index`, and starts another with zeros. Throws `bad-input` when the block was there before. */
  endBlock(index: number): void {
    const marked = this.#cut(this.#leaf).map((part, i) => (this.#isMarked[i] === 1 ? part : undefined));
    this.#insert({ level: 0, first: index, sum: marked });
    for (const part of marked) part?.fill(0);
    this.#isMarked.fill(0);
  }

  /**
   * Sums so far: a tensor `sum.LEVEL.FIRST` a node, and where parts of it are zero a tensor `parts.LEVEL.FIRST` of
   * those that are not, which `sum` then has one after another. The current leaf must be empty, and what is saved is
   * right until more is added.
   */
  save(): Tensors {
    const saved: Record<string, Tensor> = {};
    for (const { level, first, sum, whole } of this.#inOrder()) {
      if (whole !== undefined) {
        saved[`sum.${keyOf(level, first)}`] = f64(whole, this.#length);
        continue;
      }
      const marked = Int32Array.from([...sum.keys()].filter((part) => sum[part] !== undefined));
      const packed = new Float64Array(marked.length * this.#partLength);
      marked.forEach((part, i) => {
        packed.set(sum[part]!, i * this.#partLength);
      });
      saved[`sum.${keyOf(level, first)}`] = f64(packed, packed.length);
      if (marked.length === this.#isMarked.length) continue;
      saved[`parts.${keyOf(level, first)}`] = { dtype: 'I32', data: marked, shape: [marked.length] };
    }
    return saved;
  }

  /** Adds nodes that another tree saved; tensors of other names are left alone. Throws `bad-input`. */
  merge(saved: Tensors): void {
    for (const [name, tensor] of Object.entries(saved)) {
      const [, level, first] = /^sum\.(\d{1,2})\.(\d{1,15})$/.exec(name)?.map(Number) ?? [];
      if (level === undefined || first === undefined) continue;
      const isOurs = first % 2 ** level === 0 && first < this.#blocks && 2 ** level < 2 * this.#blocks;
      const sum = this.#view(tensor, saved[`parts.${keyOf(level, first)}`]);
      if (!isOurs || sum === undefined) {
        throw new HimplosError(
          'bad-input',
          `partial sums: expected ${this.#length} F64 values over blocks below ${this.#blocks}, got ${name} ${tensor.dtype} [${tensor.shape}]`,
          { hint: 'merge partial results of one calibration only' },
        );
      }
      this.#insert({ level, first, sum });
    }
  }

  /** The sum over all blocks. Throws `bad-input` naming the blocks that are missing. */
  total(): Float64Array {
    const total = new Float64Array(this.#length);
    const parts = this.#cut(total);
    let next = 0;
    for (const { level, first, sum } of this.#inOrder()) {
      if (first !== next) throw missingBlocks(next, first - 1);
      next = first + 2 ** level;
      sum.forEach((part, i) => {
        if (part !== undefined) addTo(parts[i]!, part);
      });
    }
    if (next < this.#blocks) throw missingBlocks(next, this.#blocks - 1);
    return total;
  }

  /** Puts a node in its place and adds up complete pairs; its own vector is left alone. */
  #insert({ level, first, sum }: Omit<Node, 'whole'>): void {
    this.#requireUnseen(level, first);
    let [own, place]: [Node | undefined, number] = [undefined, first];
    for (; 2 ** level < this.#blocks; level++) {
      const other = place ^ (2 ** level);
      if (other >= this.#blocks) continue; // nothing will ever be there
      const sibling = this.#nodes.get(keyOf(level, other));
      if (sibling === undefined) break;
      this.#nodes.delete(keyOf(level, other));
      // Addition is commutative to the bit, so it does not matter which of the two came first.
      if (own === undefined) this.#addBorrowed(sibling.sum, sum);
      else this.#addOwn(sibling.sum, own);
      own = sibling;
      place = Math.min(place, other);
    }
    const kept = own ?? this.#copy(sum);
    this.#nodes.set(keyOf(level, place), { level, first: place, sum: kept.sum, whole: kept.whole });
  }

  /** A vector of our own: in one piece where all parts are there, which then needs no packing to be saved. */
  #copy(borrowed: Parts): Pick<Node, 'sum' | 'whole'> {
    const parts = this.#isMarked.length;
    const isWhole = borrowed.reduce((count, part) => (part === undefined ? count : count + 1), 0) === parts;
    if (!isWhole) {
      const sum: Parts = new Array(parts).fill(undefined);
      this.#addBorrowed(sum, borrowed);
      return { sum, whole: undefined };
    }
    const whole = this.#spareVectors.pop() ?? new Float64Array(this.#length);
    const sum = this.#cut(whole);
    for (const [i, part] of sum.entries()) part.set(borrowed[i]!);
    return { sum, whole };
  }

  /** Adds somebody else's parts: where there is none yet the sum is a copy of it, as sums are never −0. */
  #addBorrowed(sum: Parts, addend: Parts): void {
    for (const [i, part] of addend.entries()) {
      if (part === undefined) continue;
      const own = sum[i];
      if (own !== undefined) {
        addTo(own, part);
        continue;
      }
      const copy = this.#spareParts.pop() ?? new Float64Array(this.#partLength);
      copy.set(part);
      sum[i] = copy;
    }
  }

  /** Adds parts of our own, which are taken over or free afterwards. */
  #addOwn(sum: Parts, { sum: addend, whole }: Node): void {
    let isFree = whole !== undefined;
    for (const [i, part] of addend.entries()) {
      if (part === undefined) continue;
      const own = sum[i];
      if (own === undefined) {
        sum[i] = part;
        isFree = false;
        continue;
      }
      addTo(own, part);
      if (whole === undefined) this.#spareParts.push(part);
    }
    if (isFree) this.#spareVectors.push(whole!);
  }

  /** Views on the parts of a vector. */
  #cut(vector: Float64Array): Float64Array[] {
    const length = this.#partLength;
    return Array.from(this.#isMarked, (_, i) => vector.subarray(i * length, (i + 1) * length));
  }

  /** A saved sum, cut: all parts, or those that are listed. Nothing where it is not of this tree. */
  #view(saved: Tensor, listed: Tensor | undefined): Parts | undefined {
    const parts = this.#isMarked.length;
    const list = listed === undefined ? Int32Array.from({ length: parts }, (_, part) => part) : listed.data;
    const isState =
      saved.dtype === 'F64' &&
      (listed === undefined || listed.dtype === 'I32') &&
      saved.data.length === list.length * this.#partLength;
    if (!isState) return undefined;
    const sum: Parts = new Array(parts).fill(undefined);
    let before = -1;
    for (const [i, part] of (list as Int32Array).entries()) {
      if (part <= before || part >= parts) return undefined;
      sum[part] = saved.data.subarray(i * this.#partLength, (i + 1) * this.#partLength);
      before = part;
    }
    return sum;
  }

  #inOrder(): Node[] {
    return [...this.#nodes.values()].sort((a, b) => a.first - b.first);
  }

  #requireUnseen(level: number, first: number): void {
    for (const other of this.#nodes.values()) {
      if (first < other.first + 2 ** other.level && other.first < first + 2 ** level) {
        throw new HimplosError(
          'bad-input',
          `partial sums: block ${Math.max(first, other.first)} comes twice`,
          {
            hint: 'merge each shard once',
          },
        );
      }
    }
  }
}

function keyOf(level: number, first: number): string {
  return `${level}.${first}`;
}

function addTo(sum: Float64Array, addend: Float64Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += addend[i]!;
}

function missingBlocks(first: number, last: number): HimplosError {
  return new HimplosError('bad-input', `partial sums: blocks ${first} to ${last} are missing`, {
    hint: 'merge the partial results of every shard',
  });
}
