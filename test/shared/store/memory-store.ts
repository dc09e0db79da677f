import { createHash } from 'node:crypto';
import { HimplosError } from '../../../shared/errors.ts';
import { bodyChunks, type ObjectStore } from '../../../shared/store/object-store.ts';

/** The simplest store there can be: a map, which a test may change behind its back. */
export function openMemoryStore(): {
  readonly objects: Map<string, Uint8Array>;
  readonly store: ObjectStore;
} {
  const objects = new Map<string, Uint8Array>();
  const etagOf = (body: Uint8Array) => createHash('sha256').update(body).digest('hex');
  const find = (key: string): Uint8Array => {
    const body = objects.get(key);
    if (body === undefined) throw new HimplosError('not-found', `memory/${key}: there is no such object`);
    return body;
  };
  const store: ObjectStore = {
    address: 'memory',
    async get(key, { maxBytes }) {
      const body = find(key);
      if (body.length > maxBytes)
        throw new HimplosError('too-large', `memory/${key} has ${body.length} bytes`);
      return { body, etag: etagOf(body) };
    },
    async getIfChanged(key, etag, options) {
      const object = await store.get(key, options);
      return object.etag === etag ? undefined : object;
    },
    async getRange(key, start, end) {
      const body = find(key);
      if (start < 0 || start > end || end > body.length)
        throw new HimplosError('bad-input', `memory/${key}: no such bytes`);
      return body.subarray(start, end);
    },
    async open(key) {
      const body = find(key);
      return { bytes: body.length, chunks: bodyChunks(body) };
    },
    async put(key, body, { ifNoneMatch, ifMatch } = {}) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of bodyChunks(body)) chunks.push(chunk);
      const current = objects.get(key);
      const isLost =
        (ifNoneMatch !== undefined && current !== undefined) ||
        (ifMatch !== undefined && (current === undefined || etagOf(current) !== ifMatch));
      if (isLost) throw new HimplosError('conflict', `memory/${key} was not written`);
      const whole = new Uint8Array(Buffer.concat(chunks));
      objects.set(key, whole);
      return { etag: etagOf(whole) };
    },
    async head(key) {
      const body = objects.get(key);
      return body === undefined ? undefined : { bytes: body.length, etag: etagOf(body) };
    },
    async *list(prefix) {
      for (const key of [...objects.keys()].sort()) {
        if (key.startsWith(prefix)) yield { key, bytes: objects.get(key)!.length, modifiedMs: 0 };
      }
    },
    async delete(key) {
      objects.delete(key);
    },
    sweep: async () => 0,
  };
  return { objects, store };
}
