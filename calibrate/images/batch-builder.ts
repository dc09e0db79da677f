import { HimplosError } from '../../shared/errors.ts';
import type { Sample } from '../sources/contract.ts';
import type { ImageBatch } from './image-batches.ts';
import type { Prepared } from './image-thread.ts';
import type { PreparedImage } from './prepare-image.ts';

/** Some of a batch's samples, and what a thread made of them. */
export interface PreparedSamples extends Prepared {
  readonly samples: readonly Sample[];
  /** Of the first one, in the source. */
  readonly position: number;
}

/** Joins what threads made of consecutive samples to batches. */
export class BatchBuilder {
  readonly #address: string;
  #size: { readonly height: number; readonly width: number; readonly name: string } | undefined;
  #firstRow = 0;
  #parts: Float32Array<ArrayBuffer>[] = [];
  #names: string[] = [];
  #labels: (string | undefined)[] = [];
  #digests: Uint8Array[] = [];
  #positions: number[] = [];

  /** @param address the source's, for messages */
  constructor(address: string) {
    this.#address = address;
  }

  get isEmpty(): boolean {
    return this.#names.length === 0;
  }

  /**
   * @param good which of the samples became rows
   * @throws `bad-input` for an image of another size than the first of all
   */
  add({ samples, images, position, values }: PreparedSamples, good: readonly number[]): void {
    for (const i of good) {
      const { name, label } = samples[i]!;
      const image = images[i] as PreparedImage;
      this.#requireSize(name, image);
      this.#names.push(name);
      this.#labels.push(label);
      this.#digests.push(image.digest);
      this.#positions.push(position + i);
    }
    if (good.length > 0) this.#parts.push(values);
  }

  /** The images added since the last call. */
  finish(): ImageBatch {
    const { height, width } = this.#size!;
    const batch: ImageBatch = {
      rows: this.#names.length,
      firstRow: this.#firstRow,
      names: this.#names,
      labels: this.#labels,
      digests: this.#digests,
      positions: this.#positions,
      tensor: join(this.#parts),
      height,
      width,
    };
    this.#firstRow += batch.rows;
    this.#parts = [];
    this.#names = [];
    this.#labels = [];
    this.#digests = [];
    this.#positions = [];
    return batch;
  }

  #requireSize(name: string, { height, width }: PreparedImage): void {
    this.#size ??= { height, width, name };
    const first = this.#size;
    if (height === first.height && width === first.width) return;
    throw new HimplosError(
      'bad-input',
      `${this.#address}: ${name} becomes a ${width} × ${height} input, ${first.name} one of ${first.width} × ${first.height}: expected one size`,
      { hint: 'give --resize and --crop as the classifier was trained with' },
    );
  }
}

function join(parts: readonly Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const all = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
