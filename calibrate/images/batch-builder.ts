import { HimplosError } from '../../shared/errors.ts';
import type { ImageBatch } from './image-batches.ts';
import type { PreparedImage } from './prepare-image.ts';

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
  #positions: number[] = [];

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

  /** Copies an image into the next row. Throws `bad-input` for one of another size than the first. */
  add(name: string, label: string | undefined, image: PreparedImage, position: number): void {
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
    if (this.#tensor.length === 0) this.#tensor = new Float32Array(this.#batch * values);
    this.#tensor.set(image.tensor.subarray(0, values), this.#names.length * values);
    this.#names.push(name);
    this.#labels.push(label);
    this.#digests.push(image.digest);
    this.#positions.push(position);
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
      positions: this.#positions,
      tensor: this.#tensor.subarray(0, rows * 3 * height * width),
      height,
      width,
    };
    this.#firstRow += rows;
    this.#names = [];
    this.#labels = [];
    this.#digests = [];
    this.#positions = [];
    return batch;
  }
}
