import { createHash, randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { crc32 } from 'node:zlib';

/** What the server keeps. Keys are `bucket/key`. */
export interface FakeState {
  readonly buckets: Set<string>;
  readonly objects: Map<string, FakeObject>;
  readonly uploads: Map<string, FakeUpload>;
  /** Keys in one page of a listing. */
  pageSize: number;
  /** The server's clock. */
  now(): number;
}

export interface FakeObject {
  body: Buffer;
  readonly etag: string;
  readonly modifiedMs: number;
  /** As it was when the object was written: a body changed behind the server's back no longer has it. */
  readonly crc32: string | undefined;
  /** Headers of encryption, given back on reading. */
  readonly encryption: Readonly<Record<string, string>>;
}

export interface FakeUpload {
  readonly bucket: string;
  readonly key: string;
  readonly startedMs: number;
  readonly parts: Map<number, { readonly body: Buffer; readonly md5: string }>;
  readonly encryption: Readonly<Record<string, string>>;
}

/** A request, read whole. */
export interface FakeRequest {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface FakeReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/** An answer that is an error. */
export class S3Fault extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

/** Carries out one request at once: nothing else happens meanwhile. Throws S3Faults. */
export function perform(state: FakeState, request: FakeRequest): FakeReply {
  const { method, bucket, key, query, headers } = request;
  if (!state.buckets.has(bucket)) throw new S3Fault(404, 'NoSuchBucket');
  checkBody(request);
  if (key === '') {
    if (method === 'GET' && query.has('uploads')) return listUploads(state, request);
    if (method === 'GET') return list(state, request);
  } else if (query.has('uploads') || query.has('uploadId')) {
    return performUpload(state, request);
  } else if (method === 'PUT') {
    return { status: 200, headers: put(state, request, [request.body], md5(request.body)) };
  } else if (method === 'GET' || method === 'HEAD') {
    return get(find(state, request), headers);
  } else if (method === 'DELETE') {
    state.objects.delete(`${bucket}/${key}`);
    return { status: 204 };
  }
  throw new S3Fault(501, 'NotImplemented');
}

function checkBody({ headers, body }: FakeRequest): void {
  const sha256 = headers['x-amz-content-sha256'];
  if (sha256?.toString().startsWith('STREAMING')) throw new S3Fault(501, 'NotImplemented');
  if (/^[0-9a-f]{64}$/.test(String(sha256)) && digest('sha256', body) !== sha256) {
    throw new S3Fault(400, 'XAmzContentSHA256Mismatch');
  }
}

function put(
  state: FakeState,
  { bucket, key, headers }: FakeRequest,
  parts: readonly Buffer[],
  etag: string,
  encryption = encryptionOf(headers),
): Record<string, string> {
  const id = `${bucket}/${key}`;
  const current = state.objects.get(id);
  if (headers['if-none-match'] === '*' && current !== undefined) throw new S3Fault(412, 'PreconditionFailed');
  const wanted = headers['if-match']?.replaceAll('"', '');
  if (wanted !== undefined && current === undefined) throw new S3Fault(404, 'NoSuchKey');
  if (wanted !== undefined && wanted !== current?.etag) throw new S3Fault(412, 'PreconditionFailed');
  const checksum = headers['x-amz-checksum-crc32']?.toString();
  if (checksum !== undefined && checksum !== crcOf(...parts)) throw new S3Fault(400, 'BadDigest');
  state.objects.set(id, joinLater(parts, { etag, modifiedMs: state.now(), crc32: checksum, encryption }));
  return { etag: `"${etag}"`, ...encryption };
}

/** An object whose parts become one when somebody looks: a real server does not copy them either. */
function joinLater(parts: readonly Buffer[], rest: Omit<FakeObject, 'body'>): FakeObject {
  let body = parts.length === 1 ? parts[0] : undefined;
  return {
    ...rest,
    get body() {
      body ??= Buffer.concat(parts);
      return body;
    },
    set body(changed) {
      body = changed;
    },
  };
}

function get(object: FakeObject, headers: IncomingHttpHeaders): FakeReply {
  const { etag, modifiedMs, crc32: checksum, encryption } = object;
  const own = { etag: `"${etag}"`, 'last-modified': new Date(modifiedMs).toUTCString(), ...encryption };
  const wanted = headers['if-match'];
  if (wanted !== undefined && wanted !== own.etag) throw new S3Fault(412, 'PreconditionFailed');
  if (headers['if-none-match'] === own.etag) return { status: 304, headers: own };
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
  const { body } = object;
  if (range !== null) {
    const start = Number(range[1]);
    const end = range[2] === '' ? body.length : Math.min(body.length, Number(range[2]) + 1);
    if (start >= end) throw new S3Fault(416, 'InvalidRange');
    const contentRange = `bytes ${start}-${end - 1}/${body.length}`;
    return {
      status: 206,
      headers: { ...own, 'content-range': contentRange },
      body: body.subarray(start, end),
    };
  }
  const isWanted = headers['x-amz-checksum-mode'] === 'ENABLED' && checksum !== undefined;
  return {
    status: 200,
    headers: { ...own, ...(isWanted ? { 'x-amz-checksum-crc32': checksum } : {}) },
    body,
  };
}

function performUpload(state: FakeState, request: FakeRequest): FakeReply {
  const { method, bucket, key, query, headers, body } = request;
  if (method === 'POST' && query.has('uploads')) {
    const id = randomUUID();
    const encryption = encryptionOf(headers);
    state.uploads.set(id, { bucket, key, startedMs: state.now(), parts: new Map(), encryption });
    return xml('InitiateMultipartUploadResult', element('UploadId', id));
  }
  const id = query.get('uploadId')!;
  const upload = state.uploads.get(id);
  if (upload === undefined || upload.bucket !== bucket || upload.key !== key)
    throw new S3Fault(404, 'NoSuchUpload');
  if (method === 'DELETE') {
    state.uploads.delete(id);
    return { status: 204 };
  }
  if (method === 'PUT') {
    const sent = headers['x-amz-checksum-crc32'];
    if (sent !== undefined && sent !== crcOf(body)) throw new S3Fault(400, 'BadDigest');
    const part = { body, md5: md5(body) };
    upload.parts.set(Number(query.get('partNumber')), part);
    return { status: 200, headers: { etag: `"${part.md5}"` } };
  }
  const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, n]) => Number(n));
  const parts = numbers.map((number) => upload.parts.get(number));
  if (!parts.every((part) => part !== undefined)) throw new S3Fault(400, 'InvalidPart');
  const etag = `${md5(Buffer.concat(parts.map((part) => Buffer.from(part.md5, 'hex'))))}-${parts.length}`;
  put(
    state,
    request,
    parts.map((part) => part.body),
    etag,
    upload.encryption,
  );
  state.uploads.delete(id);
  return xml('CompleteMultipartUploadResult', element('Key', key) + element('ETag', `"${etag}"`));
}

function list(state: FakeState, { bucket, query }: FakeRequest): FakeReply {
  const prefix = `${bucket}/${query.get('prefix') ?? ''}`;
  const after = Buffer.from(query.get('continuation-token') ?? '', 'base64').toString();
  const keys = [...state.objects.keys()]
    .filter((id) => id.startsWith(prefix) && Buffer.compare(Buffer.from(id), Buffer.from(after)) > 0)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const page = keys.slice(0, state.pageSize);
  const contents = page.map((id) => {
    const { body, modifiedMs } = state.objects.get(id)!;
    const key = encodeURIComponent(id.slice(bucket.length + 1)).replaceAll('%20', '+');
    const fields = element('Key', key) + element('Size', String(body.length));
    return `<Contents>${fields}${element('LastModified', new Date(modifiedMs).toISOString())}</Contents>`;
  });
  const more = keys.length > page.length;
  const token = Buffer.from(page.at(-1) ?? '').toString('base64');
  return xml(
    'ListBucketResult',
    `${element('EncodingType', 'url')}${element('IsTruncated', String(more))}${more ? element('NextContinuationToken', token) : ''}${contents.join('')}`,
  );
}

function listUploads(state: FakeState, { bucket, query }: FakeRequest): FakeReply {
  const prefix = query.get('prefix') ?? '';
  const uploads = [...state.uploads]
    .filter(([, upload]) => upload.bucket === bucket && upload.key.startsWith(prefix))
    .map(([id, { key, startedMs }]) => {
      const started = element('Initiated', new Date(startedMs).toISOString());
      return `<Upload>${element('Key', key)}${element('UploadId', id)}${started}</Upload>`;
    });
  return xml('ListMultipartUploadsResult', element('IsTruncated', 'false') + uploads.join(''));
}

function find(state: FakeState, { bucket, key }: FakeRequest): FakeObject {
  const object = state.objects.get(`${bucket}/${key}`);
  if (object === undefined) throw new S3Fault(404, 'NoSuchKey');
  return object;
}

function encryptionOf(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('x-amz-server-side-encryption') ? [[name, String(value)]] : [],
    ),
  );
}

function md5(bytes: Uint8Array): string {
  return digest('md5', bytes);
}

function digest(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex');
}

function crcOf(...parts: readonly Uint8Array[]): string {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(parts.reduce((sum, part) => crc32(part, sum), 0));
  return checksum.toString('base64');
}

/** A document with one element around others. */
export function xml(name: string, content: string): FakeReply {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><${name}>${content}</${name}>`);
  return { status: 200, headers: { 'content-type': 'application/xml' }, body };
}

/** An element with text. */
export function element(name: string, text: string): string {
  const escaped = text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<${name}>${escaped}</${name}>`;
}
