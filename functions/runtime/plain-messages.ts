/**
 * `Headers`, `Request` and `Response` as far as this application and Hono need them: bodies are whole, texts or bytes.
 * The platform's own take 20 ms to load at their first use, 47 to 105 on a busy machine (Node's fetch, streams and all
 * that belongs to them). The bundles of functions that answer callers put these in their place (build/functions.ts); a test
 * holds them against the platform's.
 */
export class Headers {
  readonly #values = new Map<string, string>();

  constructor(init?: HeadersInit) {
    if (init === undefined) return;
    const isList = typeof (init as Iterable<unknown>)[Symbol.iterator] === 'function';
    for (const [name, value] of isList ? (init as Iterable<[string, string]>) : Object.entries(init)) {
      this.append(name, value);
    }
  }

  get(name: string): string | null {
    return this.#values.get(checkName(name)) ?? null;
  }

  has(name: string): boolean {
    return this.#values.has(checkName(name));
  }

  set(name: string, value: string): void {
    this.#values.set(checkName(name), checkValue(value));
  }

  append(name: string, value: string): void {
    const before = this.get(name);
    const added = checkValue(value);
    this.#values.set(name.toLowerCase(), before === null ? added : `${before}, ${added}`);
  }

  delete(name: string): void {
    this.#values.delete(checkName(name));
  }

  *[Symbol.iterator](): Generator<[string, string]> {
    yield* [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  entries(): Generator<[string, string]> {
    return this[Symbol.iterator]();
  }

  forEach(visit: (value: string, name: string) => void): void {
    for (const [name, value] of this) visit(value, name);
  }
}

type HeadersInit = Headers | Iterable<[string, string]> | Readonly<Record<string, string>>;
type Body = string | ArrayBuffer | Uint8Array | null;

class Message {
  readonly headers: Headers;
  readonly body: Body;

  constructor(body: Body = null, headers?: HeadersInit) {
    this.body = body;
    this.headers = new Headers(headers);
    if (typeof body === 'string' && !this.headers.has('content-type')) {
      this.headers.set('content-type', 'text/plain;charset=UTF-8');
    }
  }

  async text(): Promise<string> {
    return typeof this.body === 'string'
      ? this.body
      : new TextDecoder().decode(this.body ?? new Uint8Array());
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const { body } = this;
    if (body instanceof ArrayBuffer) return body;
    return (typeof body === 'string' ? new TextEncoder().encode(body) : new Uint8Array(body ?? [])).buffer;
  }
}

export class Request extends Message {
  readonly url: string;
  readonly method: string;

  /** Throws a TypeError for what cannot be a request. */
  constructor(url: string, { method = 'GET', headers, body }: RequestInit = {}) {
    super(body, headers);
    this.url = new URL(url).href;
    this.method = checkMethod(method);
    if (body !== undefined && /^(GET|HEAD)$/.test(this.method)) throw new TypeError('a GET has no body');
  }
}

interface RequestInit {
  readonly method?: string;
  readonly headers?: HeadersInit;
  readonly body?: Body;
}

export class Response extends Message {
  readonly status: number;

  static json(value: unknown, { status, headers }: ResponseInit = {}): Response {
    const all = new Headers(headers);
    if (!all.has('content-type')) all.set('content-type', 'application/json');
    return new Response(JSON.stringify(value), { ...(status !== undefined && { status }), headers: all });
  }

  constructor(body?: Body, { status = 200, headers }: ResponseInit = {}) {
    super(body, headers);
    this.status = status;
  }
}

interface ResponseInit {
  readonly status?: number;
  readonly headers?: HeadersInit;
}

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function checkName(name: string): string {
  if (!TOKEN.test(name)) throw new TypeError(`${JSON.stringify(name)} is not the name of a header`);
  return name.toLowerCase();
}

function checkValue(value: string): string {
  const text = trim(String(value));
  if (/[\0\r\n]|[^\0-\xff]/.test(text)) throw new TypeError('this cannot be the value of a header');
  return text;
}

/** Without the white space around it. Not by an expression: those take time with the square of a run of spaces. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && WHITE_SPACE.includes(text[start]!)) start++;
  while (end > start && WHITE_SPACE.includes(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** Of HTTP, as the Fetch standard has it. */
const WHITE_SPACE = '\t\r\n ';

function checkMethod(method: string): string {
  if (!TOKEN.test(method) || /^(connect|trace|track)$/i.test(method)) {
    throw new TypeError(`${JSON.stringify(method)} is not a method`);
  }
  return /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method;
}
