import { createHash, type Hash } from 'node:crypto';
import type { Allocate } from '../../shared/store/object-store.ts';
import { BrokenBody } from '../../shared/store/s3-errors.ts';

export interface GetAnswer {
  readonly status: number;
  /** By lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** Whole; of a refusal that does not say its length, the first kilobytes, as they came. */
  readonly body: Uint8Array;
  /** Of the body. */
  readonly sha256: string;
}

/** Decides about a body before memory is allocated for it: throws to refuse. */
export type Allow = (status: number, bytes: number) => void;

/** Bytes taken from the socket at once, and then hashed while they are in a core's cache. */
const READ_BYTES = 256 * 1024;
/** Bound on status line and headers, and on the body of a refusal of unknown length. */
export const MAX_TEXT_BYTES = 16 * 1024;

/** An answer as it arrives: headers into text that is used again and again, then the body into memory of its own. */
export class ArrivingAnswer {
  keepsConnection = true;
  readonly #allow: Allow;
  readonly #allocate: Allocate;
  readonly #text: Uint8Array;
  readonly #hash: Hash = createHash('sha256');
  #status = 0;
  #headers = new Map<string, string>();
  /** Undefined before the headers are complete. */
  #body: Uint8Array | undefined;
  #isOfKnownLength = true;
  /** Filled so far: of `#text` before the headers are complete, of `#body` then. */
  #filled = 0;

  constructor(text: Uint8Array, allow: Allow, allocate: Allocate = (bytes) => new Uint8Array(bytes)) {
    this.#text = text;
    this.#allow = allow;
    this.#allocate = allocate;
  }

  /** The body so far, of an answer with status 200. */
  part(): { readonly body: Uint8Array; readonly arrived: number } | undefined {
    const body = this.#status === 200 ? this.#body : undefined;
    return body && { body, arrived: this.#filled };
  }

  /** Where the next bytes shall go; never empty while some are missing. */
  space(): Uint8Array | undefined {
    const target = this.#body ?? this.#text;
    const end = Math.min(target.length, this.#filled + READ_BYTES);
    return end > this.#filled ? target.subarray(this.#filled, end) : undefined;
  }

  get isEmpty(): boolean {
    return this.#body === undefined && this.#filled === 0;
  }

  /** Takes in the bytes that were just read; returns the answer once it is whole. */
  take(bytes: number): GetAnswer | undefined {
    this.#filled += bytes;
    if (this.#body === undefined) {
      this.#readHead();
      if (this.#body === undefined) return undefined;
    } else this.#hash.update(this.#body.subarray(this.#filled - bytes, this.#filled));
    const body: Uint8Array = this.#body;
    const isWhole =
      this.#filled === body.length ||
      (!this.#isOfKnownLength && hasLastChunk(body.subarray(0, this.#filled)));
    return isWhole ? this.#result(body) : undefined;
  }

  /** The connection has ended: that ends a refusal of unknown length, too. */
  end(): GetAnswer | undefined {
    return this.#body !== undefined && !this.#isOfKnownLength ? this.#result(this.#body) : undefined;
  }

  #result(body: Uint8Array): GetAnswer {
    return {
      status: this.#status,
      headers: this.#headers,
      body: body.subarray(0, this.#filled),
      sha256: this.#hash.digest('hex'),
    };
  }

  /** Status and headers, once they are complete; what follows them is the beginning of the body. */
  #readHead(): void {
    const text = Buffer.from(this.#text.buffer, 0, this.#filled);
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#filled === this.#text.length) throw new BrokenBody('the headers do not end');
      return;
    }
    const [statusLine = '', ...lines] = text.toString('latin1', 0, end).split('\r\n');
    const status = /^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(statusLine)?.[1];
    if (status === undefined) {
      const got = JSON.stringify(statusLine.slice(0, 40));
      throw new BrokenBody(`expected a final HTTP/1.1 status, got ${got}`);
    }
    this.#status = Number(status);
    this.#headers = readHeaders(lines);
    const rest = text.subarray(end + 4);
    this.#body = this.#allocateBody();
    if (rest.length > this.#body.length) throw new BrokenBody('the body is longer than announced');
    this.#body.set(rest);
    this.#filled = rest.length;
    this.#hash.update(rest);
  }

  #allocateBody(): Uint8Array {
    const headers = this.#headers;
    this.keepsConnection = headers.get('connection')?.toLowerCase() !== 'close';
    if (this.#status === 304 || this.#status === 204) return new Uint8Array(0);
    const length = headers.get('content-length');
    if (length !== undefined && /^\d{1,15}$/.test(length) && !headers.has('transfer-encoding')) {
      this.#allow(this.#status, Number(length));
      const bytes = Number(length);
      return this.#status === 200 ? this.#allocate(bytes) : new Uint8Array(bytes);
    }
    if (this.#status === 200) throw new BrokenBody('the answer does not say how long it is');
    this.keepsConnection = false;
    this.#isOfKnownLength = false;
    return new Uint8Array(MAX_TEXT_BYTES);
  }
}

function readHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new BrokenBody('a header has no name');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    // RFC 9112, section 6.3: nobody knows where such a body ends.
    if (name === 'content-length' && (headers.get(name) ?? value) !== value) {
      throw new BrokenBody(`the answer says two lengths, ${headers.get(name)} and ${value}`);
    }
    headers.set(name, value);
  }
  return headers;
}

/** Whether a body, if it is chunked, ends here: with a chunk of size 0 and perhaps trailers (RFC 9112, section 7.1). */
function hasLastChunk(body: Uint8Array): boolean {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at);
    const size = end < 0 ? Number.NaN : Number.parseInt(text.slice(at, end), 16);
    if (size === 0) return text.includes('\r\n\r\n', end);
    if (!(size > 0)) return false;
    at = end + 2 + size + 2;
  }
}
