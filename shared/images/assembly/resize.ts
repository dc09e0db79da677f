// Both passes of ../resize.ts in AssemblyScript. The caller lays out the memory: see ../resize-kernel.ts. Tables are
// those of ../resize-axis.ts. Four sums at a time, each a half plus bytes times weights, in 32 bits; reads and writes run
// up to 15 bytes past what they are for, into memory that is written afterwards or belongs to nobody.

/** As in ../resize-axis.ts. */
const WEIGHT_BITS: i32 = 22;

/**
 * The horizontal pass: `rows` rows of RGB pixels at `input`, `inputStride` bytes apart, to rows of `length` pixels at
 * `out`, close together. A pixel's three sums, and one of the next pixel that nobody reads, are one vector.
 */
export function resizeRows(
  input: usize,
  inputStride: i32,
  rows: i32,
  starts: usize,
  counts: usize,
  weights: usize,
  taps: i32,
  length: i32,
  out: usize,
): void {
  const half = i32x4.splat(1 << (WEIGHT_BITS - 1));
  for (let y = 0; y < rows; y++) {
    let window = weights;
    for (let o = 0; o < length; o++) {
      let pixel = input + load<i32>(starts + (o << 2)) * 3;
      const end = window + (load<i32>(counts + (o << 2)) << 2);
      let sums = half;
      for (let at = window; at < end; at += 4) {
        const bytes = v128.load_zero<u32>(pixel);
        const values = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
        sums = i32x4.add(sums, i32x4.mul(values, v128.load_splat<u32>(at)));
        pixel += 3;
      }
      const shorts = i16x8.narrow_i32x4_u(i32x4.shr_u(sums, WEIGHT_BITS), sums);
      v128.store_lane<u32>(out, i8x16.narrow_i16x8_u(shorts, shorts), 0);
      out += 3;
      window += taps << 2;
    }
    input += inputStride;
  }
}

/** The vertical pass: rows of `stride` bytes from row `begin` on at `between`, to `length` rows at `out`. */
export function resizeColumns(
  between: usize,
  stride: i32,
  begin: i32,
  starts: usize,
  counts: usize,
  weights: usize,
  taps: i32,
  length: i32,
  out: usize,
): void {
  const half = i32x4.splat(1 << (WEIGHT_BITS - 1));
  for (let o = 0; o < length; o++) {
    const first = between + (load<i32>(starts + (o << 2)) - begin) * stride;
    const end = weights + (load<i32>(counts + (o << 2)) << 2);
    for (let x = 0; x < stride; x += 16) {
      let row = first + x;
      let a = half;
      let b = half;
      let c = half;
      let d = half;
      for (let at = weights; at < end; at += 4) {
        const weight = v128.load_splat<u32>(at);
        const bytes = v128.load(row);
        const low = i16x8.extend_low_i8x16_u(bytes);
        const high = i16x8.extend_high_i8x16_u(bytes);
        a = i32x4.add(a, i32x4.mul(i32x4.extend_low_i16x8_u(low), weight));
        b = i32x4.add(b, i32x4.mul(i32x4.extend_high_i16x8_u(low), weight));
        c = i32x4.add(c, i32x4.mul(i32x4.extend_low_i16x8_u(high), weight));
        d = i32x4.add(d, i32x4.mul(i32x4.extend_high_i16x8_u(high), weight));
        row += stride;
      }
      const low = i16x8.narrow_i32x4_u(i32x4.shr_u(a, WEIGHT_BITS), i32x4.shr_u(b, WEIGHT_BITS));
      const high = i16x8.narrow_i32x4_u(i32x4.shr_u(c, WEIGHT_BITS), i32x4.shr_u(d, WEIGHT_BITS));
      v128.store(out + x, i8x16.narrow_i16x8_u(low, high));
    }
    out += stride;
    weights += taps << 2;
  }
}
