import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HimplosError } from '../../shared/errors.ts';
import { storageError } from '../../shared/store/file-errors.ts';
import type { StreamBody } from '../../shared/store/object-store.ts';

/** Text that grows on the disk until it is uploaded: its length has to be known, and a retry reads it again. */
export class OutputSpool implements AsyncDisposable {
  readonly #folder: string;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #maxBytes: number;
  #bytes = 0;

  private constructor(folder: string, path: string, file: FileHandle, maxBytes: number) {
    this.#folder = folder;
    this.#path = path;
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  static async open(maxBytes: number): Promise<OutputSpool> {
    const folder = await mkdtemp(join(tmpdir(), 'himplos-bulk-'));
    const path = join(folder, 'scores.jsonl');
    return new OutputSpool(folder, path, await open(path, 'wx'), maxBytes);
  }

  /** Throws `too-large` over the bound, `unavailable` when the disk is full. */
  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    if (this.#bytes + bytes.length > this.#maxBytes) {
      throw new HimplosError('too-large', `the scores take more than ${this.#maxBytes} bytes`, {
        hint: 'split the input into several files',
      });
    }
    try {
      await this.#file.appendFile(bytes);
    } catch (error) {
      throw storageError(error, 'writing scores');
    }
    this.#bytes += bytes.length;
  }

  /** What was written so far. */
  body(): StreamBody {
    return { bytes: this.#bytes, open: () => createReadStream(this.#path) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
