// The hot loops of ../sums-kernel.ts in AssemblyScript. Callers lay out the memory. No sum is made in another order
// than in the plain TypeScript twins, and nothing is fused, so results have the same bits.

/**
 * Whether the float32 numbers from `at` up to `end` are all finite; `end` − `at` is a multiple of 32 bytes. x − x is +0
 * for finite x and NaN, whose bits are not all 0, otherwise.
 */
export function areFinite(at: usize, end: usize): bool {
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  for (; at < end; at += 32) {
    const x = v128.load(at);
    const y = v128.load(at, 16);
    a = v128.or(a, f32x4.sub(x, x));
    b = v128.or(b, f32x4.sub(y, y));
  }
  return !v128.any_true(v128.or(a, b));
}

/** Adds `rows` rows of `width` float32 numbers, close together at `from`, one after the other to float64 sums at `to`. */
export function addRows(from: usize, rows: i32, width: i32, to: usize): void {
  const stride = (<usize>width) << 2;
  const pairs = stride & ~7;
  for (; rows >= 4; rows -= 4) {
    const second = from + stride;
    const third = second + stride;
    const fourth = third + stride;
    for (let at: usize = 0; at < pairs; at += 8) {
      let sum = v128.load(to + 2 * at);
      sum = f64x2.add(sum, f64x2.promote_low_f32x4(v128.load64_zero(from + at)));
      sum = f64x2.add(sum, f64x2.promote_low_f32x4(v128.load64_zero(second + at)));
      sum = f64x2.add(sum, f64x2.promote_low_f32x4(v128.load64_zero(third + at)));
      sum = f64x2.add(sum, f64x2.promote_low_f32x4(v128.load64_zero(fourth + at)));
      v128.store(to + 2 * at, sum);
    }
    if (pairs < stride) {
      let sum = load<f64>(to + 2 * pairs);
      sum += load<f32>(from + pairs);
      sum += load<f32>(second + pairs);
      sum += load<f32>(third + pairs);
      store<f64>(to + 2 * pairs, sum + load<f32>(fourth + pairs));
    }
    from = fourth + stride;
  }
  for (; rows > 0; rows--) {
    for (let at: usize = 0; at < pairs; at += 8) {
      const sum = v128.load(to + 2 * at);
      v128.store(to + 2 * at, f64x2.add(sum, f64x2.promote_low_f32x4(v128.load64_zero(from + at))));
    }
    if (pairs < stride) store<f64>(to + 2 * pairs, load<f64>(to + 2 * pairs) + load<f32>(from + pairs));
    from += stride;
  }
}

/** The same from zeros, whatever is at `to`; at least one row. */
export function startRows(from: usize, rows: i32, width: i32, to: usize): void {
  const stride = (<usize>width) << 2;
  const pairs = stride & ~7;
  // Added to 0, which makes +0 of −0.
  const zeros = f64x2.splat(0);
  for (let at: usize = 0; at < pairs; at += 8) {
    v128.store(to + 2 * at, f64x2.add(zeros, f64x2.promote_low_f32x4(v128.load64_zero(from + at))));
  }
  if (pairs < stride) store<f64>(to + 2 * pairs, 0.0 + load<f32>(from + pairs));
  addRows(from + stride, rows - 1, width, to);
}

/**
 * Counts the float32 numbers from `at` up to `end` by the leading 22 of their bits: 2^22 counts of 32 bits at `counts`.
 * `end` − `at` is a multiple of 16 bytes.
 */
export function countLeading(at: usize, end: usize, counts: usize): void {
  for (; at < end; at += 16) {
    countOne(load<u32>(at), counts);
    countOne(load<u32>(at, 4), counts);
    countOne(load<u32>(at, 8), counts);
    countOne(load<u32>(at, 12), counts);
  }
}

function countOne(bits: u32, counts: usize): void {
  const place = counts + ((<usize>(bits >> 10)) << 2);
  store<u32>(place, load<u32>(place) + 1);
}

/** Panels worked on at a time: at 128 rows 64 KiB, which stay in the second-level cache. */
const HEIGHT: i32 = 16;

/**
 * The upper triangle (and some entries below it) of out += Σ over rows of x·xᵀ, out being 4·panels wide. Columns stand in
 * panels of four: float64 x[row, 4i … 4i + 3] at `packed` + 32·(i·rows + row).
 */
export function addGram(packed: usize, panels: i32, rows: i32, out: usize): void {
  const panelBytes = (<usize>rows) << 5;
  const outStride = (<usize>panels) << 5;
  for (let top = 0; top < panels; top += HEIGHT) {
    const bottom = min(panels, top + HEIGHT);
    for (let j = top; j < panels; j++) {
      const end = min(bottom, j + 1);
      for (let i = top; i < end; i++) {
        const tile = out + 4 * <usize>i * outStride + ((<usize>j) << 5);
        addTile(packed + <usize>i * panelBytes, packed + <usize>j * panelBytes, panelBytes, tile, outStride);
      }
    }
  }
}

/** The 4 × 4 products of two panels. */
function addTile(a: usize, b: usize, panelBytes: usize, out: usize, outStride: usize): void {
  let s00 = f64x2.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  for (const end = a + panelBytes; a < end; a += 32) {
    const x = v128.load(b);
    const y = v128.load(b, 16);
    let v = v128.load_splat<f64>(a);
    s00 = f64x2.add(s00, f64x2.mul(v, x));
    s01 = f64x2.add(s01, f64x2.mul(v, y));
    v = v128.load_splat<f64>(a, 8);
    s10 = f64x2.add(s10, f64x2.mul(v, x));
    s11 = f64x2.add(s11, f64x2.mul(v, y));
    v = v128.load_splat<f64>(a, 16);
    s20 = f64x2.add(s20, f64x2.mul(v, x));
    s21 = f64x2.add(s21, f64x2.mul(v, y));
    v = v128.load_splat<f64>(a, 24);
    s30 = f64x2.add(s30, f64x2.mul(v, x));
    s31 = f64x2.add(s31, f64x2.mul(v, y));
    b += 32;
  }
  addPair(out, s00, s01);
  addPair(out + outStride, s10, s11);
  addPair(out + 2 * outStride, s20, s21);
  addPair(out + 3 * outStride, s30, s31);
}

function addPair(out: usize, low: v128, high: v128): void {
  v128.store(out, f64x2.add(v128.load(out), low));
  v128.store(out, f64x2.add(v128.load(out, 16), high), 16);
}

/**
 * The products of rows x with four rows w, each summed from its first channel to its last: 4 × 4 float64 numbers a panel at
 * `out`, row by row. Rows x stand in panels of four: float64 x[4i … 4i + 3, l] at `x` + 32·(i·width + l). Rows w are
 * float32, close together, and are laid out in the same way at `wide` first.
 */
export function multiplyPanels(x: usize, panels: i32, w: usize, wide: usize, width: i32, out: usize): void {
  const stride = (<usize>width) << 2;
  for (let at: usize = 0; at < stride; at += 4) {
    const to = wide + (at << 3);
    store<f64>(to, load<f32>(w + at));
    store<f64>(to, load<f32>(w + stride + at), 8);
    store<f64>(to, load<f32>(w + 2 * stride + at), 16);
    store<f64>(to, load<f32>(w + 3 * stride + at), 24);
  }
  const panelBytes = stride << 3;
  for (let end = out + ((<usize>panels) << 7); out < end; out += 128) {
    memory.fill(out, 0, 128);
    addTile(x, wide, panelBytes, out, 32);
    x += panelBytes;
  }
}
