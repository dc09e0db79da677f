/** Reads a stream of chunks in pieces of one's own choice. */
export class ChunkReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** What has arrived and has not been read. */
  #rest: Uint8Array = new Uint8Array(0);

  /** @param onChunk sees every chunk once, as it arrives */
  constructor(chunks: AsyncIterable<Uint8Array>, onChunk: (chunk: Uint8Array) => void) {
    this.#chunks = tap(chunks, onChunk)[Symbol.asyncIterator]();
  }

  /** The next bytes without reading them: `count` of them, or fewer at the end. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#rest.length < count) {
      const { done, value } = await this.#chunks.next();
      if (done) break;
      const joined = new Uint8Array(this.#rest.length + value.length);
      joined.set(this.#rest);
      joined.set(value, this.#rest.length);
      this.#rest = joined;
    }
    return this.#rest.subarray(0, count);
  }

  /** Reads into `target` until it is full or the stream ends; resolves to the number of bytes. */
  async fill(target: Uint8Array): Promise<number> {
    let at = 0;
    while (at < target.length) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done) break;
        this.#rest = value;
      }
      const piece = this.#rest.subarray(0, target.length - at);
      target.set(piece, at);
      this.#rest = this.#rest.subarray(piece.length);
      at += piece.length;
    }
    return at;
  }

  /** Passes over bytes; resolves to how many there were. */
  async skip(count: number): Promise<number> {
    let skipped = 0;
    while (skipped < count) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done) break;
        this.#rest = value;
      }
      const piece = Math.min(this.#rest.length, count - skipped);
      this.#rest = this.#rest.subarray(piece);
      skipped += piece;
    }
    return skipped;
  }

  /** Everything that has not been read, chunk by chunk. */
  async *remaining(): AsyncGenerator<Uint8Array> {
    if (this.#rest.length > 0) yield this.#rest;
    this.#rest = new Uint8Array(0);
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done) return;
      yield value;
    }
  }

  /** Lets go of the stream. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

async function* tap(
  chunks: AsyncIterable<Uint8Array>,
  onChunk: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onChunk(chunk);
    yield chunk;
  }
}
