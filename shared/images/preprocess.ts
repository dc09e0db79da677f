import { HimplosError } from '../errors.ts';
import { type Geometry, planGeometry } from './geometry.ts';
import type { Preprocessing } from './preprocessing.ts';
import { Resizer, type Size } from './resize.ts';

/**
 * Turns decoded images into a classifier's input, bit for bit as Pillow and torchvision do
 * (`Resize`, `CenterCrop`, `ToTensor`, `Normalize`). Keeps scratch memory, so one instance serves one caller at
 * a time.
 */
export class Preprocessor {
  readonly #preprocessing: Preprocessing;
  readonly #resizer = new Resizer();
  readonly #tables: readonly Float32Array[];
  #geometry: Geometry | undefined;
  #geometryKey = '';

  constructor(preprocessing: Preprocessing) {
    this.#preprocessing = preprocessing;
    this.#tables = preprocessing.mean.map((mean, channel) =>
      normalizeTable(mean, preprocessing.std[channel]!),
    );
  }

  /** Size of the input made of a width × height image. Throws as {@link planGeometry}. */
  outputSize(width: number, height: number): Size {
    return this.#plan(width, height).output;
  }

  /**
   * Writes one image's input.
   * @param pixels height × width × 3 bytes, RGB
   * @param out receives 3 × output height × output width float32 values, channel by channel
   * @param offset where in `out` they begin
   * @throws `bad-input` when `pixels` is not of that length or `out` too short; as {@link planGeometry}
   */
  write(pixels: Uint8Array, width: number, height: number, out: Float32Array, offset: number): void {
    const { resized, region, output, padTop, padLeft } = this.#plan(width, height);
    const plane = output.width * output.height;
    if (pixels.length !== width * height * 3) {
      throw new HimplosError(
        'bad-input',
        `pixels of a ${width} × ${height} image: expected ${width * height * 3} bytes, got ${pixels.length}`,
      );
    }
    if (offset < 0 || out.length - offset < 3 * plane) {
      throw new HimplosError('bad-input', `room for an input: expected ${3 * plane} values at ${offset}`);
    }
    const [red, green, blue] = this.#tables as [Float32Array, Float32Array, Float32Array];
    const bytes = this.#resizer.resize(pixels, { width, height }, resized, region);
    if (region.width < output.width || region.height < output.height) {
      // torchvision pads bytes with 0 before it normalises.
      out.fill(red[0]!, offset, offset + plane);
      out.fill(green[0]!, offset + plane, offset + 2 * plane);
      out.fill(blue[0]!, offset + 2 * plane, offset + 3 * plane);
    }
    let i = 0;
    for (let y = 0; y < region.height; y++) {
      let o = offset + (padTop + y) * output.width + padLeft;
      for (let x = 0; x < region.width; x++) {
        out[o] = red[bytes[i]!]!;
        out[o + plane] = green[bytes[i + 1]!]!;
        out[o + 2 * plane] = blue[bytes[i + 2]!]!;
        i += 3;
        o += 1;
      }
    }
  }

  #plan(width: number, height: number): Geometry {
    const key = `${width}x${height}`;
    if (this.#geometry === undefined || this.#geometryKey !== key) {
      this.#geometry = planGeometry(this.#preprocessing, width, height);
      this.#geometryKey = key;
    }
    return this.#geometry;
  }
}

/** (byte / 255 − mean) / std for every byte, each step rounded to float32 as torch does. */
function normalizeTable(mean: number, std: number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, byte) =>
    Math.fround(Math.fround(Math.fround(byte / 255) - Math.fround(mean)) / Math.fround(std)),
  );
}
