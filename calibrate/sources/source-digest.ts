import { createHash } from 'node:crypto';

/**
 * Names a data set by what is in it: sha256 over the sha256 of each content (32 bytes) followed by its class index
 * (int32, little endian, −1 for none), in the order of the source. File names and the kind of source play no part,
 * so a folder and a tar of it in the same order have the same digest.
 */
export class SourceDigest {
  readonly #hash = createHash('sha256');
  readonly #entry = new Uint8Array(36);
  readonly #label = new DataView(this.#entry.buffer, 32);
  #count = 0;

  /** Contents added. */
  get count(): number {
    return this.#count;
  }

  /**
   * @param digest sha256 of the encoded image or of the feature row ({@link rowDigest}), 32 bytes
   * @param label class index, −1 for none
   */
  add(digest: Uint8Array, label: number): void {
    this.#entry.set(digest);
    this.#label.setInt32(0, label, true);
    this.#hash.update(this.#entry);
    this.#count++;
  }

  /** The digest of everything added so far, 64 hexadecimal digits; nothing can be added after it. */
  hex(): string {
    return this.#hash.digest('hex');
  }
}

/** sha256 of one row's float32 values, little endian: rows of a float64 file count as rounded. */
export function rowDigest(features: Float32Array, width: number, row: number): Uint8Array {
  const bytes = new Uint8Array(features.buffer, features.byteOffset + row * width * 4, width * 4);
  return createHash('sha256').update(bytes).digest();
}
