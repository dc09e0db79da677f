import { HimplosError } from '../errors.ts';
import { f64, type Tensors } from '../tensor.ts';

/** A sum over the blocks `first … first + 2^level − 1`, `first` a multiple of 2^level. */
interface Node {
  readonly level: number;
  readonly first: number;
  readonly sum: Parts;
}

/** A vector cut into parts of equal length; those that are not marked are zero throughout. */
interface Parts {
  readonly values: Float64Array;
  readonly isMarked: Uint8Array;
}

/**
 * Adds up one vector a block so that the result does not depend, bit for bit, on who summed which blocks: blocks
 * are the leaves of a fixed binary tree over 0 … blocks − 1, and only siblings are ever added. Floating-point
 * addition is not associative; a fixed tree makes that harmless (and keeps the error at O(log blocks), as in
 * pairwise summation: Higham, SIAM J. Sci. Comput. 14(4), 1993).
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
    this.#leaf = this.#takeZeros();
  }

  /** The vector of the block being read, zero at its beginning: add to it in place. Fetch it again for each batch. */
  get leaf(): Float64Array {
    if (this.#parts === 1) this.#leaf.isMarked[0] = 1;
    return this.#leaf.values;
  }

  /**
   * Says that a part of the leaf is being added to; all others must stay zero, and cost nothing when the block ends. In
   * archives ordered by class a block of 2048 rows touches a few classes of 1000.
   */
  mark(part: number): void {
    this.#leaf.isMarked[part] = 1;
  }

  /** Ends block `index`, and starts another with zeros. Throws `bad-input` when the block was there before. */
  endBlock(index: number): void {
    this.#insert({ level: 0, first: index, sum: this.#leaf });
    this.#leaf = this.#takeZeros();
  }

  /** Sums so far, one tensor a node; the current leaf must be empty. */
  save(): Tensors {
    const nodes = [...this.#nodes.values()].sort((a, b) => a.first - b.first);
    return Object.fromEntries(
      nodes.map(({ level, first, sum }) => [`sum.${level}.${first}`, f64(sum.values, this.#length)]),
    );
  }

  /** Adds nodes that another tree saved; tensors of other names are left alone. Throws `bad-input`. */
  merge(saved: Tensors): void {
    for (const [name, tensor] of Object.entries(saved)) {
      const [, level, first] = /^sum\.(\d{1,2})\.(\d{1,15})$/.exec(name)?.map(Number) ?? [];
      if (level === undefined || first === undefined) continue;
      const isOurs = first % 2 ** level === 0 && first + 2 ** level <= this.#blocks;
      if (!isOurs || tensor.dtype !== 'F64' || tensor.data.length !== this.#length) {
        throw new HimplosError(
          'bad-input',
          `partial sums: expected ${this.#length} F64 values over blocks below ${this.#blocks}, got ${name} ${tensor.dtype} [${tensor.shape}]`,
          { hint: 'merge partial results of one calibration only' },
        );
      }
      this.#insert({
        level,
        first,
        sum: this.#takeCopy(tensor.data),
      });
    }
  }

  /** The sum over all blocks. Throws `bad-input` naming the blocks that are missing. */
  total(): Float64Array {
    const total = this.#takeZeros();
    let next = 0;
    for (const { level, first, sum } of [...this.#nodes.values()].sort((a, b) => a.first - b.first)) {
      if (first !== next) throw missingBlocks(next, first - 1);
      next = first + 2 ** level;
      addTo(total, sum);
    }
    if (next !== this.#blocks) throw missingBlocks(next, this.#blocks - 1);
    return total.values;
  }

  /** Puts a node in its place and adds up complete pairs. */
  #insert(node: Node): void {
    this.#requireUnseen(node);
    let { level, first, sum } = node;
    for (;;) {
      const key = keyOf(level, first ^ (2 ** level));
      const sibling = this.#nodes.get(key);
      if (sibling === undefined) break;
      this.#nodes.delete(key);
      // Addition is commutative to the bit, so it does not matter which of the two came first.
      addTo(sibling.sum, sum);
      this.#spare.push(sum);
      sum = sibling.sum;
      first = Math.min(first, sibling.first);
      level++;
    }
    this.#nodes.set(keyOf(level, first), { level, first, sum });
  }

  #takeZeros(): Parts {
    const spare = this.#spare.pop();
    if (spare === undefined) {
      return { values: new Float64Array(this.#length), isMarked: new Uint8Array(this.#parts) };
    }
    forMarked(spare, (from, to) => spare.values.fill(0, from, to));
    spare.isMarked.fill(0);
    return spare;
  }

  #takeCopy(values: Float64Array): Parts {
    const spare = this.#spare.pop() ?? {
      values: new Float64Array(this.#length),
      isMarked: new Uint8Array(this.#parts),
    };
    spare.values.set(values);
    spare.isMarked.fill(1);
    return spare;
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

function addTo(sum: Parts, addend: Parts): void {
  const { values } = addend;
  forMarked(addend, (from, to, part) => {
    for (let i = from; i < to; i++) sum.values[i]! += values[i]!;
    sum.isMarked[part] = 1;
  });
}

function forMarked(
  { values, isMarked }: Parts,
  action: (from: number, to: number, part: number) => void,
): void {
  const length = values.length / isMarked.length;
  for (let part = 0; part < isMarked.length; part++) {
    if (isMarked[part] === 1) action(part * length, (part + 1) * length, part);
  }
}

function missingBlocks(first: number, last: number): HimplosError {
  return new HimplosError('bad-input', `partial sums: blocks ${first} to ${last} are missing`, {
    hint: 'merge the partial results of every shard',
  });
}
