// Where everything lies in the instance's memory. One instance serves one head, so these are plain globals.

/** C, the number of logits. */
export let classes: i32 = 0;
/** L, the number of penultimate features. */
export let width: i32 = 0;
/**
 * L rounded up to a multiple of 16, and further where rows would compete for the same cache lines (`spread`): floats
 * between two rows of features. The padding is zero.
 */
export let stride: i32 = 0;
/** Floats between two rows of W: `stride`, or L where W lies in a file. */
export let weightStride: i32 = 0;
/** Bytes of a row of W that are read: L rounded up to a multiple of 4. */
export let weightBytes: usize = 0;
/** C rounded up to a multiple of 8, and further as above: floats between two rows of logits or of the transposed weights. */
export let classStride: i32 = 0;

/** Samples, `stride` floats each: the caller writes them. */
export let features: usize = 0;
/** b, `classStride` floats. */
export let bias: usize = 0;
/** W by class, `weightStride` floats each; PADDING rows of anything follow, so that tiles need no remainder. */
export let weight: usize = 0;
/** W by channel, `classStride` floats each. 0 where it is not kept. */
export let transposed: usize = 0;
/** W by class as signed bytes, `stride` each; PADDING rows of zeros follow. 0 where it is not kept. */
export let quantised: usize = 0;
/** CLASS_FACTS float64 numbers a class: what the error bound of the bytes needs (see certified-argmax.ts). */
export let facts: usize = 0;
/** Original logits, `logitStride()` floats a sample; after `certifyArgmax` those of the contenders alone. */
export let logits: usize = 0;
/** Logits of the shaped features, `classStride` floats a sample. */
export let shaped: usize = 0;
/** argmax of the original logits, one i32 a sample. */
export let predicted: usize = 0;
/** For each sample, the mask of its predicted class: ⌈L/8⌉ bytes, which the caller writes, and at least one more. */
export let masks: usize = 0;
export let maskStride: i32 = 0;
/** The prototype of one sample's predicted class, `stride` floats; the caller writes it. */
export let prototype: usize = 0;
/** Scratch: the quantised features of each sample, `stride` bytes, and SAMPLE_FACTS float64 numbers about them. */
export let featureBytes: usize = 0;
export let sampleFacts: usize = 0;
/** Scratch: upper bounds (float64 a class) and a list of classes. */
export let upper: usize = 0;
export let contenders: usize = 0;
/** Scratch: for each channel of one block that a sample adds, the address of its weights (u32) and its factor (f32). */
export let channelList: usize = 0;

/** Rows after W, which tiles read and nobody uses: the tallest tile, less one, rounded up. */
export const PADDING: i32 = 8;
export const CLASS_FACTS: i32 = 6;
export const SAMPLE_FACTS: i32 = 5;
/** Channels of one pass of the second product: 128 rows of W of 1000 classes are 512 KB, within a core's L2. */
export const CHANNEL_BLOCK: i32 = 128;

let end: usize = 0;

/**
 * Lays out memory for a head and up to `rows` samples at once; all of it is zero. `hasChannels` keeps W by channel
 * too, for `shapeLogits`; `hasBytes` W as bytes, for `certifyArgmax`. Returns false when the memory cannot grow.
 * @param given where W lies already, in rows of L floats, L a multiple of 4; 0 where it does not
 * @param from the first address that is free then
 */
export function allocate(
  c: i32,
  l: i32,
  rows: i32,
  hasChannels: bool,
  hasBytes: bool,
  given: usize,
  from: usize,
): bool {
  if (given !== 0 && given < __heap_base) return false;
  classes = c;
  width = l;
  stride = spread((l + 15) & ~15);
  classStride = spread((c + 7) & ~7);
  maskStride = (((l + 7) >> 3) + 16) & ~15;
  weightStride = given !== 0 ? l : stride;
  weightBytes = (<usize>((l + 3) & ~3)) << 2;
  end = ((given !== 0 ? from : __heap_base) + 63) & ~63;
  const rowBytes = (<usize>stride) << 2;
  const classBytes = (<usize>classStride) << 2;
  features = take(<usize>(rows + 1) * rowBytes);
  bias = take((<usize>(classStride + PADDING)) << 2);
  weight = given !== 0 ? given : take(<usize>(c + PADDING) * rowBytes);
  transposed = hasChannels ? take(<usize>l * classBytes) : 0;
  quantised = hasBytes ? take(<usize>(c + PADDING) * <usize>stride) : 0;
  facts = take((<usize>c * CLASS_FACTS) << 3);
  logits = take(<usize>(rows + 1) * <usize>logitStride() * 4);
  shaped = take(<usize>rows * classBytes);
  predicted = take((<usize>rows) << 2);
  masks = take(<usize>rows * <usize>maskStride);
  prototype = take(rowBytes);
  featureBytes = take(<usize>rows * <usize>stride);
  sampleFacts = take((<usize>rows * SAMPLE_FACTS) << 3);
  upper = take((<usize>c) << 3);
  contenders = take((<usize>c) << 2);
  channelList = take((<usize>(CHANNEL_BLOCK + 4)) << 3);
  const pages = <i32>((end + 0xffff) >> 16) - memory.size();
  // Others have views of a memory that was given: it must not grow.
  return pages <= 0 || (given === 0 && memory.grow(pages) >= 0);
}

/** Floats between two samples' original logits: room for the last tile to write past C. */
export function logitStride(): i32 {
  return classStride + PADDING;
}

/**
 * Rows that begin a multiple of 4 KiB apart share one set of the first cache, which holds eight lines: tiles of eight
 * rows would drive each other out. One more line between them avoids it (measured: 0.131 ms to 0.118 ms a product).
 */
function spread(floats: i32): i32 {
  return (floats & 1023) === 0 ? floats + 16 : floats;
}

/** Cuts the next piece, beginning at a cache line. */
function take(bytes: usize): usize {
  const at = end;
  end = (end + bytes + 63) & ~63;
  return at;
}
