import { HimplosError } from '../../shared/errors.ts';
import type { ImageBatch } from './image-batches.ts';
import type { PreparedImage } from './prepare-image.ts';

/** 1 GiB: a batch of 256 images of 1024 × 1024 needs three times that, one of 224 × 224 0.15. */
const MAX_BATCH_VALUES = 2 ** 28;

/** Gathers prepared images into one tensor, which every batch uses again. */
export class BatchBuilder {
  readonly #address: string;
  readonly #batch: number;
  #tensor = new Float32Array(0);
  #size: { readonly height: number; readonly width: number; readonly name: string } | undefined;
  #firstRow = 0;
  #names: string[] = [];
  #labels: (string | undefined)[] = [];
  #digests: Uint8Array[] = [];

  constructor(address: string, batch: number) {
    this.#address = address;
    this.#batch = batch;
  }

  get isEmpty(): boolean {
    return this.#names.length === 0;
  }

  get isFull(): boolean {
    return this.#names.length === this.#batch;
  }

  /** Throws `bad-input` for an image of another size than the first, `too-large` for a batch over 1 GiB. */
  add(name: string, label: string | undefined, image: PreparedImage): void {
    this.#size ??= { height: image.height, width: image.width, name };
    const { height, width } = this.#size;
    if (image.height !== height || image.width !== width) {
      throw new HimplosError(
        'bad-input',
        `${this.#address}: ${name} becomes a ${image.width} × ${image.height} input, ${this.#size.name} one of ${width} × ${height}: expected one size`,
        { hint: 'give --resize and --crop as the classifier was trained with' },
      );
    }
    const values = 3 * height * width;
    if (this.#tensor.length === 0) this.#tensor = new Float32Array(this.#countValues(values));
    this.#tensor.set(image.tensor.subarray(0, values), this.#names.length * values);
    this.#names.push(name);
    this.#labels.push(label);
    this.#digests.push(image.digest);
  }

  /** The images gathered since the last call. */
  finish(): ImageBatch {
    const rows = this.#names.length;
    const { height, width } = this.#size!;
    const batch: ImageBatch = {
      rows,
      firstRow: this.#firstRow,
      names: this.#names,
      labels: this.#labels,
      digests: this.#digests,
      tensor: this.#tensor.subarray(0, rows * 3 * height * width),
      height,
      width,
    };
    this.#firstRow += rows;
    this.#names = [];
    this.#labels = [];
    this.#digests = [];
    return batch;
  }

  #countValues(valuesPerImage: number): number {
    const values = this.#batch * valuesPerImage;
    if (values <= MAX_BATCH_VALUES) return values;
    throw new HimplosError(
      'too-large',
      `a batch of ${this.#batch} inputs of ${valuesPerImage} values: expected at most ${MAX_BATCH_VALUES} values`,
      { hint: 'give a smaller --batch' },
    );
  }
}
