import { HimplosError } from '../errors.ts';
import { f64, type Tensor, type Tensors } from '../tensor.ts';

/** A sum over the blocks `first … first + 2^level − 1`, as far as there are so many; `first` is a multiple of 2^level. */
interface Node {
  readonly level: number;
  readonly first: number;
  readonly sum: Parts;
}

/** A vector cut into parts of equal length. Those that are not marked are zero, whatever `values` holds there. */
interface Parts {
  readonly values: Float64Array;
  readonly isMarked: Uint8Array;
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
  readonly #parts: number;
  readonly #blocks: number;
  readonly #nodes = new Map<string, Node>();
  /** Vectors that are no longer needed, for reuse: at 16 MiB each they must not wait for a garbage collection. */
  readonly #spare: Parts[] = [];
  #leaf: Parts;

  /**
   * @param length values in a block's vector
   * @param blocks number of blocks of the whole source
   * @param parts how many parts of equal length a vector has, if it is filled part by part (see {@link mark})
   */
  constructor(length: number, blocks: number, parts = 1) {
    this.#length = length;
    this.#parts = parts;
    this.#blocks = blocks;
    this.#leaf = this.#take();
  }

  /**
   * The vector of the block being read: add to its marked parts, which begin as zeros, in place. A vector of one part
   * is marked by this. Fetch it again for each batch.
   */
  get leaf(): Float64Array {
    if (this.#parts === 1) this.mark(0);
    return this.#leaf.values;
  }

  /**
   * Says that a part of the leaf is being added to. Others cost nothing: not when the block ends, and not in what is
   * saved. In archives ordered by class a block of 2048 rows touches a few classes of 1000.
   */
  mark(part: number): void {
    const { values, isMarked } = this.#leaf;
    if (isMarked[part] === 1) return;
    isMarked[part] = 1;
    const length = this.#length / this.#parts;
    values.fill(0, part * length, (part + 1) * length);
  }

  /** Ends block `index`, and starts another with zeros. Throws `bad-input` when the block was there before. */
  endBlock(index: number): void {
    this.#insert({ level: 0, first: index, sum: this.#leaf });
    this.#leaf = this.#take();
  }

  /**
   * Sums so far: a tensor `sum.LEVEL.FIRST` a node, and where parts of it are zero a tensor `parts.LEVEL.FIRST` of
   * those that are not, which `sum` then has one after another. The current leaf must be empty.
   */
  save(): Tensors {
    const saved: Record<string, Tensor> = {};
    for (const { level, first, sum } of this.#inOrder()) {
      const marked = markedParts(sum);
      const name = keyOf(level, first);
      if (marked.length === this.#parts) {
        saved[`sum.${name}`] = f64(sum.values, this.#length);
        continue;
      }
      const length = this.#length / this.#parts;
      const packed = new Float64Array(marked.length * length);
      marked.forEach((part, i) => {
        packed.set(sum.values.subarray(part * length, (part + 1) * length), i * length);
      });
      saved[`sum.${name}`] = f64(packed, packed.length);
      saved[`parts.${name}`] = { dtype: 'I32', data: marked, shape: [marked.length] };
    }
    return saved;
  }

  /** Adds nodes that another tree saved; tensors of other names are left alone. Throws `bad-input`. */
  merge(saved: Tensors): void {
    for (const [name, tensor] of Object.entries(saved)) {
      const [, level, first] = /^sum\.(\d{1,2})\.(\d{1,15})$/.exec(name)?.map(Number) ?? [];
      if (level === undefined || first === undefined) continue;
      const isOurs = first % 2 ** level === 0 && first < this.#blocks && 2 ** level < 2 * this.#blocks;
      const parts = saved[`parts.${keyOf(level, first)}`];
      const isWhole = parts === undefined;
      const sum = isWhole ? this.#viewWhole(tensor) : this.#unpack(tensor, parts);
      if (!isOurs || sum === undefined) {
        throw new HimplosError(
          'bad-input',
          `partial sums: expected ${this.#length} F64 values over blocks below ${this.#blocks}, got ${name} ${tensor.dtype} [${tensor.shape}]`,
          { hint: 'merge partial results of one calibration only' },
        );
      }
      this.#insert({ level, first, sum }, isWhole);
    }
  }

  /** The sum over all blocks. Throws `bad-input` naming the blocks that are missing. */
  total(): Float64Array {
    let next = 0;
    for (const { level, first } of this.#inOrder()) {
      if (first !== next) throw missingBlocks(next, first - 1);
      next = first + 2 ** level;
    }
    if (next < this.#blocks) throw missingBlocks(next, this.#blocks - 1);
    const total = { values: new Float64Array(this.#length), isMarked: new Uint8Array(this.#parts) };
    for (const { sum } of this.#nodes.values()) addTo(total, sum);
    return total.values;
  }

  #inOrder(): Node[] {
    return [...this.#nodes.values()].sort((a, b) => a.first - b.first);
  }

  /** Puts a node in its place and adds up complete pairs. A borrowed sum is somebody else's memory. */
  #insert(node: Node, isBorrowed = false): void {
    this.#requireUnseen(node);
    let { level, first, sum } = node;
    let isOurs = !isBorrowed;
    for (; 2 ** level < this.#blocks; level++) {
      const other = first ^ (2 ** level);
      if (other >= this.#blocks) continue; // nothing will ever be there
      const sibling = this.#nodes.get(keyOf(level, other));
      if (sibling === undefined) break;
      this.#nodes.delete(keyOf(level, other));
      // Addition is commutative to the bit, so it does not matter which of the two came first.
      addTo(sibling.sum, sum);
      if (isOurs) this.#spare.push(sum);
      sum = sibling.sum;
      isOurs = true;
      first = Math.min(first, other);
    }
    if (!isOurs) {
      const copy = this.#take();
      addTo(copy, sum);
      sum = copy;
    }
    this.#nodes.set(keyOf(level, first), { level, first, sum });
  }

  /** A vector of zeros: one without marked parts. */
  #take(): Parts {
    const spare = this.#spare.pop();
    spare?.isMarked.fill(0);
    return spare ?? { values: new Float64Array(this.#length), isMarked: new Uint8Array(this.#parts) };
  }

  #viewWhole(tensor: Tensor): Parts | undefined {
    if (tensor.dtype !== 'F64' || tensor.data.length !== this.#length) return undefined;
    return { values: tensor.data, isMarked: new Uint8Array(this.#parts).fill(1) };
  }

  #unpack(packed: Tensor, parts: Tensor): Parts | undefined {
    const length = this.#length / this.#parts;
    const isState =
      packed.dtype === 'F64' && parts.dtype === 'I32' && packed.data.length === parts.data.length * length;
    const isListed = (part: number, i: number) => part > (parts.data[i - 1] ?? -1) && part < this.#parts;
    if (!isState || !parts.data.every(isListed)) return undefined;
    const sum = this.#take();
    parts.data.forEach((part, i) => {
      sum.values.set(packed.data.subarray(i * length, (i + 1) * length), part * length);
      sum.isMarked[part] = 1;
    });
    return sum;
  }

  #requireUnseen({ level, first }: Node): void {
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

/** Adds to parts that are marked, and copies to those that are not, which is the same: sums are never −0. */
function addTo(sum: Parts, addend: Parts): void {
  const length = sum.values.length / sum.isMarked.length;
  for (let part = 0; part < addend.isMarked.length; part++) {
    if (addend.isMarked[part] === 0) continue;
    const [from, to] = [part * length, (part + 1) * length];
    if (sum.isMarked[part] === 1) addRange(sum.values, addend.values, from, to);
    else sum.values.set(addend.values.subarray(from, to), from);
    sum.isMarked[part] = 1;
  }
}

function addRange(sum: Float64Array, addend: Float64Array, from: number, to: number): void {
  for (let i = from; i < to; i++) sum[i]! += addend[i]!;
}

function markedParts({ isMarked }: Parts): Int32Array {
  return Int32Array.from([...isMarked.keys()].filter((part) => isMarked[part] === 1));
}

function missingBlocks(first: number, last: number): HimplosError {
  return new HimplosError('bad-input', `partial sums: blocks ${first} to ${last} are missing`, {
    hint: 'merge the partial results of every shard',
  });
}
