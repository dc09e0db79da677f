import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../shared/store/file-errors.ts';

const DIGEST_BYTES = 32;

/**
 * Features of images in two growing files: `KEY.f32` (rows × width, float32) and `KEY.sha256` (32 bytes of
 * content digest a row). Features are written before their digests, so that after a kill the rows that both files
 * hold are whole. Every row has its place, so that two processes at work on the same images write the same bytes
 * instead of each behind the other's. Throws `unavailable` when the disk is full or fails.
 */
export class Spool {
  /** Of the features. */
  readonly path: string;
  readonly #features: FileHandle;
  readonly #digests: FileHandle;
  readonly #rowBytes: number;
  #rows: number;

  private constructor(
    path: string,
    features: FileHandle,
    digests: FileHandle,
    rowBytes: number,
    rows: number,
  ) {
    this.path = path;
    this.#features = features;
    this.#digests = digests;
    this.#rowBytes = rowBytes;
    this.#rows = rows;
  }

  /** Opens or makes the pair of files `key` in a folder; what a kill left incomplete does not count. */
  static async open(folder: string, key: string, width: number): Promise<Spool> {
    const path = join(folder, `${key}.f32`);
    let features: FileHandle | undefined;
    try {
      const flags = constants.O_RDWR | constants.O_CREAT;
      features = await open(path, flags);
      const digests = await open(join(folder, `${key}.sha256`), flags);
      const rowBytes = 4 * width;
      const rows = Math.min(
        Math.floor((await features.stat()).size / rowBytes),
        Math.floor((await digests.stat()).size / DIGEST_BYTES),
      );
      return new Spool(path, features, digests, rowBytes, rows);
    } catch (cause) {
      await features?.close();
      throw storageError(cause, `opening ${path}`);
    }
  }

  /** Rows stored. */
  get rows(): number {
    return this.#rows;
  }

  /** The digests of rows `start` up to, not including, `end`, one after another. */
  async digests(start: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array((end - start) * DIGEST_BYTES);
    try {
      await this.#digests.read(bytes, 0, bytes.length, start * DIGEST_BYTES);
    } catch (cause) {
      throw storageError(cause, `reading ${this.path}`);
    }
    return bytes;
  }

  /** Forgets all rows from `rows` on. */
  async truncate(rows: number): Promise<void> {
    try {
      await this.#digests.truncate(rows * DIGEST_BYTES);
      await this.#features.truncate(rows * this.#rowBytes);
    } catch (cause) {
      throw storageError(cause, `writing ${this.path}`);
    }
    this.#rows = rows;
  }

  /** Appends one row a digest. */
  async append(features: Float32Array, digests: readonly Uint8Array[]): Promise<void> {
    try {
      const bytes = new Uint8Array(features.buffer, features.byteOffset, features.byteLength);
      await writeAt(this.#features, bytes, this.#rows * this.#rowBytes);
      await writeAt(this.#digests, Buffer.concat(digests), this.#rows * DIGEST_BYTES);
    } catch (cause) {
      throw storageError(cause, `writing ${this.path}`);
    }
    this.#rows += digests.length;
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#features.close(), this.#digests.close()]);
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
