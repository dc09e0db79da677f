/** A = Zᵀ·T·Z with T tridiagonal and Z (`basis`, row-major) orthogonal. */
export interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** `offDiagonal[i]` couples i and i + 1; the last entry is 0. */
  readonly offDiagonal: Float64Array;
  readonly basis: Float64Array;
}

/**
 * Householder tridiagonalisation of a symmetric matrix (Golub & Van Loan, Matrix Computations, §8.3.1), using the
 * upper triangle only and running along its rows.
 *
 * @param a size × size, row-major, finite; overwritten
 */
export function tridiagonalise(a: Float64Array, size: number): Tridiagonal {
  const diagonal = new Float64Array(size);
  const offDiagonal = new Float64Array(size);
  /** 2 / ‖v‖² of each reflection I − beta·v·vᵀ; v itself replaces row k of `a` right of the diagonal. */
  const betas = new Float64Array(size);
  const update = new Float64Array(size);
  for (let k = 0; k < size - 1; k++) {
    diagonal[k] = a[k * size + k]!;
    const start = k + 1;
    const row = k * size;
    const { beta, offDiagonal: coupled } = makeReflection(a, row + start, size - start);
    offDiagonal[k] = coupled;
    betas[k] = beta;
    if (beta !== 0) applyBothSides(a, size, start, row, beta, update);
  }
  if (size > 0) diagonal[size - 1] = a[size * size - 1]!;
  return { diagonal, offDiagonal, basis: accumulate(a, betas, size) };
}

/** Turns x (in place) into the v of a reflection that maps x to (‖x‖, 0, …) up to sign. */
function makeReflection(
  values: Float64Array,
  at: number,
  length: number,
): { beta: number; offDiagonal: number } {
  let largest = 0;
  for (let i = 1; i < length; i++) largest = Math.max(largest, Math.abs(values[at + i]!));
  const first = values[at]!;
  if (largest === 0) return { beta: 0, offDiagonal: first };
  // Scaled, so that squares neither overflow nor vanish.
  const scale = Math.max(largest, Math.abs(first));
  let squares = 0;
  for (let i = 0; i < length; i++) {
    const x = values[at + i]! / scale;
    values[at + i] = x;
    squares += x * x;
  }
  const target = values[at]! >= 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
  values[at]! -= target;
  return { beta: 1 / (squares - target * (first / scale)), offDiagonal: target * scale };
}

/** A ← H·A·H on the trailing block from `start`, as the rank-two update A − v·wᵀ − w·vᵀ. */
function applyBothSides(
  a: Float64Array,
  size: number,
  start: number,
  row: number,
  beta: number,
  w: Float64Array,
): void {
  w.fill(0, start);
  for (let i = start; i < size; i++) {
    const at = i * size;
    const vi = a[row + i]!;
    let sum = a[at + i]! * vi;
    for (let j = i + 1; j < size; j++) {
      const value = a[at + j]!;
      sum += value * a[row + j]!;
      w[j]! += value * vi;
    }
    w[i]! += sum;
  }
  let projection = 0;
  for (let i = start; i < size; i++) {
    w[i]! *= beta;
    projection += w[i]! * a[row + i]!;
  }
  const half = (beta * projection) / 2;
  for (let i = start; i < size; i++) w[i]! -= half * a[row + i]!;
  for (let i = start; i < size; i++) {
    const at = i * size;
    const vi = a[row + i]!;
    const wi = w[i]!;
    for (let j = i; j < size; j++) a[at + j]! -= vi * w[j]! + wi * a[row + j]!;
  }
}

/** The product of the reflections, transposed, built from the last one so that only a growing corner is touched. */
function accumulate(a: Float64Array, betas: Float64Array, size: number): Float64Array {
  const basis = new Float64Array(size * size);
  for (let i = 0; i < size; i++) basis[i * size + i] = 1;
  for (let k = size - 2; k >= 0; k--) {
    const beta = betas[k]!;
    if (beta === 0) continue;
    const row = k * size;
    for (let i = k + 1; i < size; i++) {
      const at = i * size;
      let sum = 0;
      for (let j = k + 1; j < size; j++) sum += basis[at + j]! * a[row + j]!;
      sum *= beta;
      for (let j = k + 1; j < size; j++) basis[at + j]! -= sum * a[row + j]!;
    }
  }
  return basis;
}
