import { HimplosError } from '../../errors.ts';
import { type Tridiagonal, tridiagonalise } from './tridiagonalise.ts';

/** Eigenvalues ascending, and the orthonormal eigenvectors as the rows of a size × size matrix. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

/** Rotations collected before they are applied: enough to reuse a strip of the vectors from the cache. */
const PENDING = 1 << 16;
/** Columns of a strip: 2048 rows of 32 float64 are 512 KiB. */
const STRIP = 32;
/** QL steps allowed per eigenvalue; two or so are usual. */
const MAX_STEPS = 60;

/**
 * Eigen-decomposition of a symmetric matrix: Householder tridiagonalisation, then QL steps with implicit shifts
 * (Golub & Van Loan, Matrix Computations, §8.3; Wilkinson's shift). Eigenvectors are rows and rotations touch two
 * neighbouring rows, so every inner loop runs over contiguous memory, and rotations are applied in batches strip by
 * strip. (A covariance must go through a symmetric solver: a general one returns complex or non-orthogonal vectors.)
 *
 * Channels are taken in the order of their diagonal entries: on a matrix graded from large to small both steps keep
 * the digits of small eigenvalues. On the CIFAR-10 benchmark the residual space of ViM agrees with LAPACK's to an
 * angle of 6e-10, against 2e-9 in the order given.
 *
 * @param matrix size × size, row-major; only the upper triangle is read; not changed
 * @throws `bad-input` when an entry is not finite
 */
export function symmetricEigen(matrix: Float64Array, size: number): Eigen {
  for (let i = 0; i < size * size; i++) {
    if (!Number.isFinite(matrix[i]!)) {
      throw new HimplosError('bad-input', `eigen-decomposition: expected finite values, got ${matrix[i]}`);
    }
  }
  const order = Array.from({ length: size }, (_, i) => i).sort(
    (a, b) => Math.abs(matrix[b * size + b]!) - Math.abs(matrix[a * size + a]!) || a - b,
  );
  const graded = tridiagonalise(permuted(matrix, size, order), size);
  const reduced = reversed(graded, size);
  diagonalise(reduced, size);
  return sorted(reduced, size, order);
}

/** The matrix with rows and columns in another order; only upper triangles are read and meaningful. */
function permuted(matrix: Float64Array, size: number, order: readonly number[]): Float64Array {
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = i; j < size; j++) {
      const [a, b] = [order[i]!, order[j]!];
      out[i * size + j] = matrix[Math.min(a, b) * size + Math.max(a, b)]!;
    }
  }
  return out;
}

/** The same decomposition with the tridiagonal matrix turned upside down: QL steps want the small end first. */
function reversed({ diagonal, offDiagonal, basis }: Tridiagonal, size: number): Tridiagonal {
  const rows = new Float64Array(size * size);
  for (let i = 0; i < size; i++) rows.set(basis.subarray(i * size, (i + 1) * size), (size - 1 - i) * size);
  const coupled = new Float64Array(size);
  for (let i = 0; i < size - 1; i++) coupled[i] = offDiagonal[size - 2 - i]!;
  return { diagonal: diagonal.toReversed(), offDiagonal: coupled, basis: rows };
}

/** QL with implicit shifts, in place: `diagonal` becomes the eigenvalues, the rows of `basis` the eigenvectors. */
function diagonalise({ diagonal: d, offDiagonal: e, basis }: Tridiagonal, size: number): void {
  const rotations = new PendingRotations(basis, size);
  for (let low = 0; low < size; low++) {
    for (let step = 0; ; step++) {
      let high = low;
      while (high < size - 1) {
        const scale = Math.abs(d[high]!) + Math.abs(d[high + 1]!);
        if (Math.abs(e[high]!) <= Number.EPSILON * scale) break;
        high++;
      }
      if (high === low) break;
      if (step === MAX_STEPS)
        throw new HimplosError('bad-input', 'eigen-decomposition: no convergence after 60 steps');
      chase(d, e, low, high, rotations);
    }
  }
  rotations.apply();
}

/** One QL step on the unreduced block low … high: chases the bulge from the bottom up. */
function chase(
  d: Float64Array,
  e: Float64Array,
  low: number,
  high: number,
  rotations: PendingRotations,
): void {
  let g = (d[low + 1]! - d[low]!) / (2 * e[low]!);
  const root = Math.hypot(g, 1);
  g = d[high]! - d[low]! + e[low]! / (g + (g >= 0 ? root : -root));
  let sine = 1;
  let cosine = 1;
  let shift = 0;
  for (let i = high - 1; i >= low; i--) {
    const f = sine * e[i]!;
    const b = cosine * e[i]!;
    const radius = Math.hypot(f, g);
    e[i + 1] = radius;
    if (radius === 0) {
      // The block falls apart here; the next step starts on the smaller one.
      d[i + 1]! -= shift;
      e[high] = 0;
      return;
    }
    sine = f / radius;
    cosine = g / radius;
    g = d[i + 1]! - shift;
    const q = (d[i]! - g) * sine + 2 * cosine * b;
    shift = sine * q;
    d[i + 1] = g + shift;
    g = cosine * q - b;
    rotations.add(i, cosine, sine);
  }
  d[low]! -= shift;
  e[low] = g;
  e[high] = 0;
}

/** Rotations of rows i and i + 1 of a matrix, in order, applied many at a time to strips of columns. */
class PendingRotations {
  readonly #matrix: Float64Array;
  readonly #size: number;
  readonly #rows = new Int32Array(PENDING);
  readonly #cosines = new Float64Array(PENDING);
  readonly #sines = new Float64Array(PENDING);
  #count = 0;

  constructor(matrix: Float64Array, size: number) {
    this.#matrix = matrix;
    this.#size = size;
  }

  add(row: number, cosine: number, sine: number): void {
    if (this.#count === PENDING) this.apply();
    this.#rows[this.#count] = row;
    this.#cosines[this.#count] = cosine;
    this.#sines[this.#count++] = sine;
  }

  apply(): void {
    for (let left = 0; left < this.#size; left += STRIP) {
      rotateStrip(this.#matrix, this.#size, left, Math.min(STRIP, this.#size - left), {
        rows: this.#rows,
        cosines: this.#cosines,
        sines: this.#sines,
        count: this.#count,
      });
    }
    this.#count = 0;
  }
}

interface Rotations {
  readonly rows: Int32Array;
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
  readonly count: number;
}

function rotateStrip(
  matrix: Float64Array,
  size: number,
  left: number,
  width: number,
  { rows, cosines, sines, count }: Rotations,
): void {
  for (let r = 0; r < count; r++) {
    const cosine = cosines[r]!;
    const sine = sines[r]!;
    const upper = rows[r]! * size + left;
    const lower = upper + size;
    for (let k = 0; k < width; k++) {
      const x = matrix[upper + k]!;
      const y = matrix[lower + k]!;
      matrix[lower + k] = sine * x + cosine * y;
      matrix[upper + k] = cosine * x - sine * y;
    }
  }
}

/** Ascending, and with the channels back in their places. */
function sorted({ diagonal, basis }: Tridiagonal, size: number, channels: readonly number[]): Eigen {
  const order = Array.from(diagonal, (_, index) => index).sort((a, b) => diagonal[a]! - diagonal[b]!);
  const vectors = new Float64Array(size * size);
  order.forEach((from, to) => {
    for (let i = 0; i < size; i++) vectors[to * size + channels[i]!] = basis[from * size + i]!;
  });
  return { values: Float64Array.from(order, (index) => diagonal[index]!), vectors };
}
