import { applyLinear } from '../maths/linear.ts';
import { BLOCK_ROWS } from './plain-scorer.ts';

/** Rows of the bank compared at a time. */
const CHUNK = 512;

/** What nearness to a bank row is measured by: key = ⟨z, b⟩·factor + offset, larger is nearer; z has unit length. */
export interface BankKeys {
  /** rows × L raw features. */
  readonly features: Float32Array;
  readonly rows: number;
  readonly width: number;
  /** One value a row. */
  readonly factors: Float64Array;
  readonly offsets: Float64Array;
}

/** The k nearest bank rows of a sample, in no particular order but with the farthest of them first. */
export interface Nearest {
  readonly keys: Float64Array;
  readonly indices: Int32Array;
}

/**
 * Prepares the search for the k bank rows with the largest keys. Products are blocked: 512 bank rows by 64 samples.
 * @returns a function of up to 64 samples that calls `found(i, nearest, z)` for each; `nearest` and the unit vectors
 * `z` (rows × L, zero for a zero sample) are used again afterwards
 */
export function prepareBankSearch(bank: BankKeys, k: number): BankSearch {
  const { features, rows: bankRows, width, factors, offsets } = bank;
  const units = new Float64Array(BLOCK_ROWS * width);
  const products = new Float64Array(BLOCK_ROWS * CHUNK);
  const bias = new Float32Array(CHUNK);
  const heaps = Array.from({ length: BLOCK_ROWS }, () => new LargestKeys(k));
  return (samples, at, rows, found) => {
    for (let i = 0; i < rows; i++) {
      heaps[i]!.clear();
      normalise(samples, at + i * width, width, units, i * width);
    }
    for (let start = 0; start < bankRows; start += CHUNK) {
      const classes = Math.min(CHUNK, bankRows - start);
      const weight = features.subarray(start * width, (start + classes) * width);
      applyLinear({ classes, width, weight, bias }, units, rows, products);
      for (let i = 0; i < rows; i++) {
        const heap = heaps[i]!;
        for (let j = 0; j < classes; j++) {
          heap.offer(products[i * classes + j]! * factors[start + j]! + offsets[start + j]!, start + j);
        }
      }
    }
    for (let i = 0; i < rows; i++) found(i, heaps[i]!, units);
  };
}

export type BankSearch = (
  samples: Float32Array,
  at: number,
  rows: number,
  found: (row: number, nearest: Nearest, units: Float64Array) => void,
) => void;

/** z = h/‖h‖, or zeros for a zero vector (nothing is added to the norm, before or after the division). */
function normalise(source: Float32Array, at: number, width: number, out: Float64Array, outAt: number): void {
  const inverse = inverseNorm(source, at, width);
  for (let l = 0; l < width; l++) out[outAt + l] = source[at + l]! * inverse;
}

/** 1/‖h‖, or 0 for a zero vector. */
export function inverseNorm(source: Float32Array, at: number, width: number): number {
  let square = 0;
  for (let l = at; l < at + width; l++) square += source[l]! * source[l]!;
  return square === 0 ? 0 : 1 / Math.sqrt(square);
}

/** Keeps the k largest keys offered: a binary heap with the smallest of them on top. */
class LargestKeys implements Nearest {
  readonly keys: Float64Array;
  readonly indices: Int32Array;
  #size = 0;

  constructor(k: number) {
    this.keys = new Float64Array(k);
    this.indices = new Int32Array(k);
  }

  clear(): void {
    this.#size = 0;
  }

  offer(key: number, index: number): void {
    const { keys, indices } = this;
    if (this.#size === keys.length) {
      if (key > keys[0]!) this.#sink(key, index);
      return;
    }
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      indices[at] = indices[parent]!;
      at = parent;
    }
    keys[at] = key;
    indices[at] = index;
  }

  #sink(key: number, index: number): void {
    const { keys, indices } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= keys.length) break;
      if (child + 1 < keys.length && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[at] = keys[child]!;
      indices[at] = indices[child]!;
      at = child;
    }
    keys[at] = key;
    indices[at] = index;
  }
}
