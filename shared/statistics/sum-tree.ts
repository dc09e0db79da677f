import { HimplosError } from '../errors.ts';
import { f64, type Tensor, type Tensors } from '../tensor.ts';
import { addAll, addTwo } from './add-vectors.ts';

/** A vector cut into parts of equal length; a part that nothing was added to is not there. */
type Parts = (Float64Array | undefined)[];

/** A sum over the blocks `first … first + 2^level − 1`, as far as there are so many; `first` is a multiple of 2^level. */
interface Node extends Sum {
  readonly level: number;
  readonly first: number;
}

interface Sum {
  readonly sum: Parts;
  /** What the parts are views on, where all of them were there from the beginning. */
  readonly whole?: Float64Array | undefined;
  /** Which leaf it still lies in, where it does. */
  readonly leaf?: number | undefined;
}

/**
 * Adds up one vector a block so that the result does not depend, bit for bit, on who summed which blocks: blocks
 * are the leaves of a fixed binary tree over 0 … blocks − 1, and only siblings are ever added (at the right edge, a node
 * without a sibling stands for its parent too). Floating-point addition is not associative; a fixed tree makes that
 * harmless (and keeps the error at O(log blocks), as in pairwise summation: Higham, SIAM J. Sci. Comput. 14(4), 1993).
 *
 * In block order at most ⌊log2 blocks⌋ + 1 vectors are in use, the current leaf included.
 *
 * Closing a block moves memory and hardly computes: a leaf is left where it is until its sibling comes (so there are two),
 * and all that add up by then are added part by part, while a part is in the cache. 16 MB take 5 ms; 19 ms where every
 * level was added to the next one, the leaf copied, and filled with zeros.
 */
export class SumTree {
  readonly #length: number;
  readonly #partLength: number;
  readonly #blocks: number;
  readonly #nodes = new Map<string, Node>();
  /** Vectors and parts that are no longer needed, for reuse: at up to 16 MiB they must not wait for a garbage collection. */
  readonly #spareVectors: Float64Array[] = [];
  readonly #spareParts: Float64Array[] = [];
  readonly #leaves: readonly Float64Array[];
  readonly #isOwn: boolean;
  readonly #leafParts: readonly (readonly Float64Array[])[];
  #leafIndex = 0;
  readonly #isMarked: Uint8Array;

  /**
   * @param length values in a block's vector
   * @param blocks number of blocks of the whole source
   * @param parts how many parts of equal length a vector has, if it is filled part by part (see {@link mark})
   * @param leaves the vectors that blocks are added up in, in turn, where they have to stand in a place of the caller's, who
   * then sees to it that parts begin as zeros
   */
  constructor(length: number, blocks: number, parts = 1, leaves?: readonly Float64Array[]) {
    this.#length = length;
    this.#partLength = length / parts;
    this.#blocks = blocks;
    this.#isMarked = new Uint8Array(parts);
    this.#isOwn = leaves === undefined;
    this.#leaves = leaves ?? [new Float64Array(length), new Float64Array(length)];
    this.#leafParts = this.#leaves.map((leaf) => this.#cut(leaf));
  }

  /** The vector of the block being read, zero at its beginning: add to it in place. One of a single part is marked by this. */
  get leaf(): Float64Array {
    if (this.#isMarked.length === 1) this.mark(0);
    return this.#leaves[this.#leafIndex]!;
  }

  /** Which of the leaves that is. */
  get leafIndex(): number {
    return this.#leafIndex;
  }

  /**
   * Says that a part of the leaf is going to be added to: it begins as zeros. The others cost nothing: not when the block
   * ends, and not in what is saved. In archives ordered by class a block touches a few classes of 1000.
   */
  mark(part: number): void {
    if (this.#isMarked[part] === 1) return;
    this.#isMarked[part] = 1;
    if (this.#isOwn) this.#leafParts[this.#leafIndex]![part]!.fill(0);
  }

  /** Ends block `index`, and starts another with zeros. Throws `bad-input` when the block was there before. */
  endBlock(index: number): void {
    const leaf = this.#leafIndex;
    const sum = this.#leafParts[leaf]!.map((part, i) => (this.#isMarked[i] === 1 ? part : undefined));
    const whole = this.#isMarked.includes(0) ? undefined : this.#leaves[leaf];
    this.#insert(0, index, { sum, whole, leaf });
    this.#isMarked.fill(0);
    this.#leafIndex = (leaf + 1) % this.#leaves.length;
    for (const [key, node] of this.#nodes) {
      if (node.leaf === this.#leafIndex) this.#nodes.set(key, { ...node, ...this.#copy(node.sum) });
    }
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
      this.#insert(level, first, { sum });
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
        if (part !== undefined) addTwo(parts[i]!, parts[i]!, part);
      });
    }
    if (next < this.#blocks) throw missingBlocks(next, this.#blocks - 1);
    return total;
  }

  /** Puts a sum in its place and adds up complete pairs. One that lies in no leaf is somebody else's, and left alone. */
  #insert(level: number, first: number, sum: Sum): void {
    this.#requireUnseen(level, first);
    const siblings: Node[] = [];
    let [height, place] = [level, first];
    for (; 2 ** height < this.#blocks; height++) {
      const other = place ^ (2 ** height);
      if (other >= this.#blocks) continue; // nothing will ever be there
      const sibling = this.#nodes.get(keyOf(height, other));
      if (sibling === undefined) break;
      this.#nodes.delete(keyOf(height, other));
      siblings.push(sibling);
      place = Math.min(place, other);
    }
    const isKept = siblings.length === 0 && sum.leaf !== undefined;
    const total = isKept ? sum : this.#addUp(sum, siblings);
    this.#nodes.set(keyOf(height, place), { level: height, first: place, ...total });
  }

  #copy(sum: Parts): Sum {
    return this.#addUp({ sum }, []);
  }

  /**
   * ((a + b0) + b1) + … in memory of our own, of the last one as far as possible; what the others have is free afterwards.
   * Addition is commutative to the bit, so it does not matter which of two came first. Sums are never −0, so nothing
   * at all in a part is as good as zeros.
   */
  #addUp(a: Sum, siblings: readonly Node[]): Sum {
    const terms = [a.sum, ...siblings.map(({ sum }) => sum)];
    const owners: readonly Sum[] = siblings.filter(({ leaf }) => leaf === undefined).reverse();
    const heir = siblings.at(-1) === owners[0] ? owners[0] : undefined;
    const fresh = heir === undefined && this.#isWhole(terms) ? this.#takeVector() : undefined;
    const places: Parts = fresh === undefined ? [] : this.#cut(fresh);
    const givers = fresh === undefined ? owners.map(({ sum }) => sum) : [];
    const sum = Array.from(this.#isMarked, (_, i) => this.#addPart(i, terms, givers, places[i]));
    for (const owner of owners) {
      if (owner.whole === undefined) {
        for (const [i, part] of owner.sum.entries())
          if (part !== undefined && part !== sum[i]) this.#spareParts.push(part);
      } else if (!owner.sum.some((part, i) => part === sum[i])) this.#spareVectors.push(owner.whole);
    }
    return { sum, whole: fresh ?? heir?.whole, leaf: undefined };
  }

  /**
   * One part of the sum of all terms: in `place`, else in that of the first giver that has it, else in a new one. A
   * function of its own, because loops that are compiled while they run are soon compiled again.
   */
  #addPart(
    i: number,
    terms: readonly Parts[],
    givers: readonly Parts[],
    place: Float64Array | undefined,
  ): Float64Array | undefined {
    const parts: Float64Array[] = [];
    for (const { [i]: part } of terms) if (part !== undefined) parts.push(part);
    if (parts.length === 0) return undefined;
    let to = place;
    for (const giver of givers) to ??= giver[i];
    to ??= this.#spareParts.pop() ?? new Float64Array(this.#partLength);
    addAll(to, parts);
    return to;
  }

  #isWhole(terms: readonly Parts[]): boolean {
    for (let i = 0; i < this.#isMarked.length; i++) {
      if (terms.every((term) => term[i] === undefined)) return false;
    }
    return true;
  }

  #takeVector(): Float64Array {
    return this.#spareVectors.pop() ?? new Float64Array(this.#length);
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

function missingBlocks(first: number, last: number): HimplosError {
  return new HimplosError('bad-input', `partial sums: blocks ${first} to ${last} are missing`, {
    hint: 'merge the partial results of every shard',
  });
}
