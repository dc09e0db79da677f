/**
 * Named byte strings with conditional writes: what a folder and an S3 bucket both are. Keys are `/`-separated (see
 * keys.ts). Every method throws HimplosErrors: `bad-input` for a bad key, `not-found`, `conflict` for a condition
 * that does not hold, `too-large`, `unavailable` when the storage fails, `interrupted` when `signal` aborts.
 * A write is seen whole or not at all, also after a crash.
 */
export interface ObjectStore {
  /** Where it is, for messages; never has credentials in it. */
  readonly address: string;

  /** A whole object. Refuses with `too-large` what has more than `maxBytes`, before reading it. */
  get(key: string, options: GetOptions): Promise<StoredObject>;

  /** As `get`, but undefined when the object still has this etag: then nothing is transferred. */
  getIfChanged(key: string, etag: string, options: GetOptions): Promise<StoredObject | undefined>;

  /** Bytes `start` up to, not including, `end`. Throws `bad-input` when the object does not have them all. */
  getRange(key: string, start: number, end: number, options?: CallOptions): Promise<Uint8Array>;

  /** An object as a stream. Errors in mid-stream surface from the iteration. */
  open(key: string, options?: OpenOptions): Promise<StoredStream>;

  /**
   * Writes an object. Throws `conflict` when a condition does not hold; then nothing has changed, unless the answer to
   * an earlier attempt was lost and the condition fails because of one's own write: who must know looks for what only
   * their own body has.
   */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ readonly etag: string }>;

  /** Size and etag, or undefined where there is no such object. */
  head(
    key: string,
    options?: CallOptions,
  ): Promise<{ readonly bytes: number; readonly etag: string } | undefined>;

  /** Every object whose key starts with `prefix`, in the order of the keys' UTF-8 bytes. */
  list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject>;

  /** Removes an object; removing what is not there is not an error. */
  delete(key: string, options?: CallOptions): Promise<void>;

  /**
   * Removes what writers that died left unfinished (temporary files, uploads) and that is older than `olderThanMs`;
   * resolves to how many. None of it was ever visible as an object.
   */
  sweep(olderThanMs: number): Promise<number>;
}

/** What reading takes: functions have no more than this. */
export type ObjectReader = Pick<ObjectStore, 'address' | 'get' | 'getIfChanged'>;

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface GetOptions extends CallOptions {
  readonly maxBytes: number;
  /**
   * Told whenever more bytes have arrived, by a reader that can: `body` is where the whole object will be, and so many
   * of its bytes are there. Nothing about them is certain yet. Must not throw.
   */
  readonly onPart?: OnPart;
  /** Makes the memory for so many bytes, for a reader that can ask: at most `maxBytes`. */
  readonly allocate?: Allocate;
}

export type Allocate = (bytes: number) => Uint8Array;

export interface OpenOptions extends CallOptions {
  /**
   * Whether a chunk is done with once the next one is asked for; the next may then lie in the same memory. Fresh memory
   * for the chunks of 100 files of 17 MB took some 2 s, mostly of garbage collection.
   */
  readonly reusesChunks?: boolean;
  /**
   * Memory in which every chunk may lie at its place, if all of them fit: where the reader can, they do, and are
   * not copied.
   */
  readonly memory?: Uint8Array;
}

export type OnPart = (body: Uint8Array, arrived: number) => void;

export interface PutOptions extends CallOptions {
  /** Only if there is no object of this key. */
  readonly ifNoneMatch?: '*';
  /** Only if the object has this etag. */
  readonly ifMatch?: string;
}

/** Bytes in memory, or a source of known length that can be read more than once (a retry reads it again). */
export type ObjectBody = Uint8Array | StreamBody;

export interface StreamBody {
  readonly bytes: number;
  /**
   * SHA-256 of the content, where the stream itself makes sure of it: it fails rather than end otherwise. Its chunks
   * then are the reader's to keep; other streams may reuse their buffers.
   */
  readonly sha256?: string;
  open(): AsyncIterable<Uint8Array>;
}

export interface StoredObject {
  readonly body: Uint8Array;
  /** Changes whenever the content does. */
  readonly etag: string;
  /** SHA-256 of the body, where the reader has computed it on the way. */
  readonly sha256?: string;
}

export interface StoredStream {
  readonly bytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  /** Milliseconds since 1970, by the storage's clock. */
  readonly modifiedMs: number;
}

/** The body as chunks, whatever it is. */
export async function* bodyChunks(body: ObjectBody): AsyncGenerator<Uint8Array> {
  if (!(body instanceof Uint8Array)) return yield* body.open();
  for (let at = 0; at < body.length; at += CHUNK_BYTES) yield body.subarray(at, at + CHUNK_BYTES);
}

/** Small enough to notice an abort between two chunks, large enough not to matter. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/** Length of a body in bytes. */
export function bodyBytes(body: ObjectBody): number {
  return body instanceof Uint8Array ? body.length : body.bytes;
}
