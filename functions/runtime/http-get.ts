import net from 'node:net';
import type { Allocate, OnPart } from '../../shared/store/object-store.ts';
import { BrokenBody } from '../../shared/store/s3-errors.ts';
import { type Allow, ArrivingAnswer, type GetAnswer, MAX_TEXT_BYTES } from './arriving-answer.ts';

export interface GetRequest {
  /** Percent-encoded. */
  readonly path: string;
  /** With `host`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly allow: Allow;
  readonly signal: AbortSignal | undefined;
  /** As `GetOptions` has it. */
  readonly onPart?: OnPart | undefined;
  readonly allocate?: Allocate | undefined;
}

/** Connections kept for the next request. */
const MAX_IDLE = 2;

/**
 * Sends HTTP/1.1 GET requests to one server and reads answers whole: into memory that is allocated once, from the
 * socket directly, hashed as the bytes arrive. That takes half the time of `node:http`, whose parser and streams see
 * every 64 KB (measured on a busy machine: 16.6 MB in 47 to 55 ms instead of 105 to 142, of which HTTP's modules take
 * 13), and what a cold start waits for is this. An answer of status 200 must say its length. Throws `BrokenBody` for
 * what is not such an answer or ends early, the system's errors, and the signal's reason.
 * @param origin `http:` or `https:`
 */
export function openHttpGet(origin: URL, silenceMs: number): (request: GetRequest) => Promise<GetAnswer> {
  const idle = new Set<Connection>();

  return async (request) => {
    for (;;) {
      request.signal?.throwIfAborted();
      const [kept] = idle;
      const connection = kept ?? new Connection(origin, silenceMs, (closed) => idle.delete(closed));
      idle.delete(connection);
      try {
        const answer = await connection.send(request);
        if (connection.isReusable && idle.size < MAX_IDLE) idle.add(connection);
        else connection.close();
        return answer;
      } catch (error) {
        // A kept connection that the server has closed meanwhile says nothing about this request.
        if (kept === undefined || !connection.wasLostUnused) throw error;
      }
    }
  };
}

/** One exchange at a time over one socket. */
class Connection {
  /** The other side has ended it before any byte of an answer. */
  wasLostUnused = false;
  readonly #socket: net.Socket;
  readonly #text = new Uint8Array(MAX_TEXT_BYTES);
  readonly #onClose: (connection: Connection) => void;
  #isClosed = false;
  /** Whether the last answer lets it be used again. */
  #isKept = true;
  /** Undefined between two requests: a body is its reader's alone, and may be a whole model. */
  #answer: ArrivingAnswer | undefined;
  #onPart: OnPart | undefined;
  #finish: { resolve(answer: GetAnswer): void; reject(error: unknown): void } | undefined;

  constructor(
    { protocol, hostname, port }: URL,
    silenceMs: number,
    onClose: (connection: Connection) => void,
  ) {
    this.#onClose = onClose;
    const isSecure = protocol === 'https:';
    const host = hostname.replace(/^\[|\]$/g, '');
    const options = {
      host,
      port: Number(port || (isSecure ? 443 : 80)),
      onread: {
        buffer: () => this.#answer?.space() ?? this.#text,
        callback: (bytes: number) => this.#take(bytes),
      },
    };
    // TLS takes 10 ms to load: only where it is spoken.
    this.#socket = isSecure
      ? process.getBuiltinModule('node:tls').connect({ ...options, servername: net.isIP(host) ? '' : host })
      : net.connect(options);
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(silenceMs, () => this.close(new BrokenBody(`no answer for ${silenceMs} ms`)));
    this.#socket.on('error', (error) => this.#lose(error));
    this.#socket.on('end', () => this.#lose(new BrokenBody('the connection was closed')));
    this.#socket.on('close', () => this.#lose(new BrokenBody('the connection was closed')));
  }

  get isReusable(): boolean {
    return !this.#isClosed && this.#isKept;
  }

  async send({ path, headers, allow, signal, onPart, allocate }: GetRequest): Promise<GetAnswer> {
    this.#answer = new ArrivingAnswer(this.#text, allow, allocate);
    this.#onPart = onPart;
    this.#socket.ref();
    const onAbort = () => this.close(signal!.reason);
    signal?.addEventListener('abort', onAbort);
    try {
      return await new Promise((resolve, reject) => {
        this.#finish = { resolve, reject };
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
        this.#socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends whatever goes on with an error. */
  close(error?: unknown): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#socket.destroy();
      this.#onClose(this);
    }
    this.#finish?.reject(error);
    this.#finish = undefined;
  }

  #take(bytes: number): boolean {
    try {
      // Nothing is expected between two requests.
      if (this.#finish === undefined) this.close();
      else {
        const answer = this.#answer!.take(bytes);
        const part = this.#onPart && this.#answer!.part();
        if (part !== undefined) this.#onPart!(part.body, part.arrived);
        this.#settle(answer);
      }
    } catch (error) {
      this.close(error);
    }
    return true;
  }

  #lose(error: Error): void {
    if (this.#isClosed) return;
    this.wasLostUnused = this.#answer?.isEmpty === true;
    this.#settle(this.#answer?.end());
    this.close(error);
  }

  #settle(answer: GetAnswer | undefined): void {
    if (answer === undefined) return;
    this.#isKept = this.#answer!.keepsConnection;
    this.#answer = undefined;
    this.#onPart = undefined;
    this.#finish?.resolve(answer);
    this.#finish = undefined;
    this.#socket.unref();
  }
}
