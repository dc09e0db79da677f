import { seededRandom } from '../seeded-random.ts';

/** Rows of features on a plane. */
export interface PlanePoints {
  /** rows × 2. */
  readonly points: Float64Array;
  /** Share of the rows' variance along each of the two directions. */
  readonly explained: readonly [number, number];
}

const ITERATIONS = 60;

/**
 * Principal component analysis down to two directions, by subspace iteration on the centred rows: rows × width × 4
 * operations an iteration, no width × width matrix. Signs are chosen so that each direction's largest entry is
 * positive.
 * @param rows at least 1
 */
export function principalPlane(features: Float32Array, rows: number, width: number): PlanePoints {
  const centred = centre(features, rows, width);
  const random = seededRandom(1);
  const directions = [0, 1].map(() => Float64Array.from({ length: width }, () => random() - 0.5));
  for (let i = 0; i < ITERATIONS; i++) {
    directions.forEach((direction, d) => {
      const next = timesTransposed(centred, times(centred, direction, rows), width);
      for (const before of directions.slice(0, d)) removeAlong(next, before);
      direction.set(toUnit(next));
    });
  }
  for (const direction of directions) {
    const largest = direction.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
    if (largest < 0) for (let l = 0; l < width; l++) direction[l]! *= -1;
  }
  const [first, second] = directions.map((direction) => times(centred, direction, rows)) as [
    Float64Array,
    Float64Array,
  ];
  const points = Float64Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? first : second)[i >> 1]!);
  const total = squares(centred) || 1;
  return { points, explained: [squares(first) / total, squares(second) / total] };
}

function centre(features: Float32Array, rows: number, width: number): Float64Array {
  const centred = Float64Array.from(features.subarray(0, rows * width));
  for (let l = 0; l < width; l++) {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += centred[row * width + l]!;
    for (let row = 0; row < rows; row++) centred[row * width + l]! -= sum / rows;
  }
  return centred;
}

/** X·v */
function times(matrix: Float64Array, vector: Float64Array, rows: number): Float64Array {
  const width = vector.length;
  const product = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let l = 0; l < width; l++) sum += matrix[row * width + l]! * vector[l]!;
    product[row] = sum;
  }
  return product;
}

/** Xᵀ·v */
function timesTransposed(matrix: Float64Array, vector: Float64Array, width: number): Float64Array {
  const product = new Float64Array(width);
  for (let row = 0; row < vector.length; row++) {
    const factor = vector[row]!;
    for (let l = 0; l < width; l++) product[l]! += factor * matrix[row * width + l]!;
  }
  return product;
}

function removeAlong(vector: Float64Array, unit: Float64Array): void {
  let along = 0;
  for (let l = 0; l < vector.length; l++) along += vector[l]! * unit[l]!;
  for (let l = 0; l < vector.length; l++) vector[l]! -= along * unit[l]!;
}

/** A vector of length 1 in the same direction; zeros stay zeros. */
function toUnit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(squares(vector)) || 1;
  return vector.map((value) => value / length);
}

function squares(vector: Float64Array): number {
  return vector.reduce((sum, value) => sum + value * value, 0);
}
