/** Size of the images in a batch. */
export interface ImageShape {
  readonly rows: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Turns one image of a batch into something else.
 * @param images rows × 3 × height × width, normalised (channels of mean 0 and deviation 1, roughly)
 * @param at where the image begins
 * @param out 3 × height × width
 */
type Distort = (
  images: Float32Array,
  at: number,
  shape: ImageShape,
  out: Float32Array,
  random: () => number,
) => void;

/** How in-distribution images become outliers, by kind. */
export const DISTORTIONS: Readonly<Record<string, Distort>> = {
  noise: addNoise,
  'patches shuffled': shufflePatches,
  'two images mixed': mixImages,
  blurred: blur,
};

/** Normal noise of deviation 1 on top: as strong as the image. */
function addNoise(
  images: Float32Array,
  at: number,
  { height, width }: ImageShape,
  out: Float32Array,
  random: () => number,
): void {
  for (let i = 0; i < 3 * height * width; i++) {
    const noise = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    out[i] = images[at + i]! + noise;
  }
}

/** The image cut into 4 × 4 patches, in another order; what is left of the side stays in place. */
function shufflePatches(
  images: Float32Array,
  at: number,
  { height, width }: ImageShape,
  out: Float32Array,
  random: () => number,
): void {
  out.set(images.subarray(at, at + 3 * height * width));
  const [patchHeight, patchWidth] = [Math.floor(height / 4), Math.floor(width / 4)];
  const order = Array.from({ length: 16 }, (_, i) => i);
  for (let i = 15; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  order.forEach((from, to) => {
    for (let channel = 0; channel < 3; channel++) {
      for (let y = 0; y < patchHeight; y++) {
        const rowAt = (patch: number) =>
          (channel * height + Math.floor(patch / 4) * patchHeight + y) * width + (patch % 4) * patchWidth;
        out.set(images.subarray(at + rowAt(from), at + rowAt(from) + patchWidth), rowAt(to));
      }
    }
  });
}

/** The mean of the image and another one of the batch. */
function mixImages(
  images: Float32Array,
  at: number,
  { rows, height, width }: ImageShape,
  out: Float32Array,
  random: () => number,
): void {
  const size = 3 * height * width;
  const other = ((at / size + 1 + Math.floor(random() * (rows - 1))) % rows) * size;
  for (let i = 0; i < size; i++) out[i] = (images[at + i]! + images[other + i]!) / 2;
}

/** Means over a window of a quarter of the side, edges repeated. */
function blur(images: Float32Array, at: number, { height, width }: ImageShape, out: Float32Array): void {
  const rows = new Float32Array(height * width);
  for (let channel = 0; channel < 3; channel++) {
    const from = channel * height * width;
    const plane = images.subarray(at + from, at + from + height * width);
    smooth(plane, rows, height, width, width, 1);
    smooth(rows, out.subarray(from, from + height * width), width, height, 1, width);
  }
}

/** Means along lines of `length` values that are `step` apart; lines begin `stride` apart. */
function smooth(
  from: Float32Array,
  to: Float32Array,
  lines: number,
  length: number,
  stride: number,
  step: number,
): void {
  const radius = Math.max(1, Math.floor(length / 8));
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (let j = i - radius; j <= i + radius; j++) {
        sum += from[line * stride + Math.min(length - 1, Math.max(0, j)) * step]!;
      }
      to[line * stride + i * step] = sum / (2 * radius + 1);
    }
  }
}
