/** A rows × columns matrix of numbers in [−1, 1) from a linear congruential generator (Numerical Recipes). */
export function seededMatrix(seed: number, rows: number, columns: number): Float64Array {
  let state = seed >>> 0;
  return Float64Array.from({ length: rows * columns }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** The obvious A·Bᵀ. */
export function naiveProduct(
  a: Float64Array,
  b: Float64Array,
  rows: number,
  columns: number,
  depth: number,
): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let p = 0; p < depth; p++) sum += a[i * depth + p]! * b[j * depth + p]!;
    return sum;
  });
}

/** B·Bᵀ + shift·I for a seeded size × size B: symmetric and positive definite. */
export function seededCovariance(seed: number, size: number, shift = 0.1): Float64Array {
  const b = seededMatrix(seed, size, size);
  const product = naiveProduct(b, b, size, size, size);
  for (let i = 0; i < size; i++) product[i * size + i]! += shift;
  return product;
}

/** The largest absolute difference. */
export function furthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}
