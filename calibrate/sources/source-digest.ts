import { createHash } from 'node:crypto';

const ENTRY_BYTES = 36;

/**
 * Names a data set by what is in it: sha256 over the sha256 of each content (32 bytes) followed by its class index
 * (int32, little endian, −1 for none), in the order of the source. File names and the kind of source play no part,
 * so a folder and a tar of it in the same order have the same digest.
 */
export class SourceDigest {
  readonly #hash = createHash('sha256');
  /** Entries that wait to be hashed together: a call for each takes 1.6 times as long. */
  readonly #waiting = new Uint8Array(ENTRY_BYTES * 256);
  readonly #labels = new DataView(this.#waiting.buffer);
  #held = 0;
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
    this.#waiting.set(digest, this.#held);
    this.#labels.setInt32(this.#held + 32, label, true);
    this.#held += ENTRY_BYTES;
    this.#count++;
    if (this.#held === this.#waiting.length) this.#flush();
  }

  /** The digest of everything added so far, 64 hexadecimal digits; nothing can be added after it. */
  hex(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#waiting.subarray(0, this.#held));
    this.#held = 0;
  }
}

/** sha256 of one row's float32 values, little endian: rows of a float64 file count as rounded. */
export function rowDigest(features: Float32Array, width: number, row: number): Uint8Array {
  const bytes = new Uint8Array(features.buffer, features.byteOffset + row * width * 4, width * 4);
  return createHash('sha256').update(bytes).digest();
}
