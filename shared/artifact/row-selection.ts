import { HimplosError } from '../errors.ts';
import type { Batch, Reducer } from '../statistics/contract.ts';
import type { Tensors } from '../tensor.ts';

/** At most this many rows of each set are kept for later comparisons. */
export const MAX_EVALUATION_ROWS = 5000;

/** Rows chosen from a set. */
export interface SelectedRows {
  /** Rows kept. */
  readonly rows: number;
  /** Rows the set had. */
  readonly totalRows: number;
  /** rows × width. */
  readonly features: Float32Array;
  /** −1 where unknown. */
  readonly labels: Int32Array;
}

/**
 * Keeps the `limit` rows with the smallest hash of their content (features and label): a sample that looks random
 * and depends neither on the order of the rows nor on how they were split, in memory for at most `limit` rows. The
 * result is in the order of the hashes. Equal rows have equal hashes and may all be kept.
 */
export function selectRows(width: number, limit = MAX_EVALUATION_ROWS): Reducer<SelectedRows> {
  const kept = new SmallestRows(width, limit);
  let totalRows = 0;

  function add({ rows, features, labels }: Pick<Batch, 'rows' | 'features' | 'labels'>): void {
    for (let row = 0; row < rows; row++) kept.offer(features, row * width, labels[row]!);
    totalRows += rows;
  }

  function result(): SelectedRows {
    const slots = kept.sortedSlots();
    const features = new Float32Array(slots.length * width);
    slots.forEach((slot, row) => {
      features.set(kept.features.subarray(slot * width, (slot + 1) * width), row * width);
    });
    const labels = Int32Array.from(slots, (slot) => kept.labels[slot]!);
    return { rows: slots.length, totalRows, features, labels };
  }

  return {
    add,
    endBlock: () => {},
    merge: (saved) => {
      const { features, labels, totalRows: others } = saved;
      if (
        features?.dtype !== 'F32' ||
        labels?.dtype !== 'I32' ||
        others?.dtype !== 'F64' ||
        features.shape[1] !== width
      ) {
        throw new HimplosError(
          'bad-input',
          `row selection: expected saved rows ${width} wide, got another state`,
          {
            hint: 'merge partial results of the same calibration only',
          },
        );
      }
      add({ rows: labels.data.length, features: features.data, labels: labels.data });
      totalRows += others.data[0]! - labels.data.length;
    },
    save: (): Tensors => {
      const { rows, features, labels } = result();
      return {
        features: { dtype: 'F32', shape: [rows, width], data: features },
        labels: { dtype: 'I32', shape: [rows], data: labels },
        totalRows: { dtype: 'F64', shape: [1], data: Float64Array.of(totalRows) },
      };
    },
    result,
  };
}

/**
 * Up to `limit` rows in slots, and a binary heap over the slots with the largest hash on top: a new row replaces
 * the top when its hash is smaller. Memory grows with the rows kept, not with the limit.
 */
class SmallestRows {
  features = new Float32Array(0);
  labels = new Int32Array(0);
  readonly #width: number;
  readonly #limit: number;
  /** Slot indices in heap order. */
  readonly #heap: number[] = [];
  /** 53 bits of hash per slot, as exact integers. */
  readonly #hashes: number[] = [];

  constructor(width: number, limit: number) {
    this.#width = width;
    this.#limit = limit;
  }

  offer(source: Float32Array, offset: number, label: number): void {
    const hash = hashRow(source, offset, this.#width, label);
    const isFull = this.#heap.length === this.#limit;
    if (isFull && (this.#limit === 0 || hash >= this.#hashes[this.#heap[0]!]!)) return;
    const slot = isFull ? this.#heap[0]! : this.#heap.length;
    if (!isFull) {
      this.#reserve(slot + 1);
      this.#heap.push(slot);
    }
    this.#hashes[slot] = hash;
    this.labels[slot] = label;
    this.features.set(source.subarray(offset, offset + this.#width), slot * this.#width);
    if (isFull) this.#sink(0);
    else this.#rise(slot);
  }

  sortedSlots(): number[] {
    return this.#heap.toSorted((a, b) => this.#hashes[a]! - this.#hashes[b]!);
  }

  #reserve(rows: number): void {
    if (rows <= this.labels.length) return;
    const capacity = Math.min(this.#limit, Math.max(64, rows * 2));
    const { features, labels } = this;
    this.features = new Float32Array(capacity * this.#width);
    this.features.set(features);
    this.labels = new Int32Array(capacity);
    this.labels.set(labels);
  }

  #rise(position: number): void {
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (!this.#isLarger(position, parent)) return;
      this.#swap(position, parent);
      position = parent;
    }
  }

  #sink(position: number): void {
    for (;;) {
      const left = 2 * position + 1;
      if (left >= this.#heap.length) return;
      const child = left + 1 < this.#heap.length && this.#isLarger(left + 1, left) ? left + 1 : left;
      if (!this.#isLarger(child, position)) return;
      this.#swap(child, position);
      position = child;
    }
  }

  #isLarger(a: number, b: number): boolean {
    return this.#hashes[this.#heap[a]!]! > this.#hashes[this.#heap[b]!]!;
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }
}

/**
 * 53 bits over the bits of a row and its label: two lanes of MurmurHash3 (x86 32-bit; constants and finaliser of
 * Austin Appleby's public-domain code) with different seeds. Not for adversaries: nothing depends on it but which
 * rows are kept.
 */
function hashRow(source: Float32Array, offset: number, width: number, label: number): number {
  const words = new Uint32Array(source.buffer, source.byteOffset + offset * 4, width);
  let high = 0x9747b28c;
  let low = 0x3c6ef372;
  for (let i = 0; i <= width; i++) {
    let word = Math.imul(i < width ? words[i]! : label, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    high ^= word;
    high = (Math.imul((high << 13) | (high >>> 19), 5) + 0xe6546b64) | 0;
    low ^= word;
    low = (Math.imul((low << 11) | (low >>> 21), 9) + 0x38b34ae5) | 0;
  }
  return (finalise(high ^ width) >>> 11) * 2 ** 32 + finalise(low ^ width);
}

function finalise(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
