import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { rejectionOf } from '../formats/expect-failure.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (body: Uint8Array) => new TextDecoder().decode(body);
const LIMIT = { maxBytes: 1_000_000 };

export async function readText(store: ObjectStore, key: string): Promise<string> {
  return text((await store.get(key, LIMIT)).body);
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  return (await collect(store.list(prefix))).map(({ key }) => key);
}

/** Everything an iteration gives. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** A body of `total` bytes in uneven chunks that cannot be guessed from its length. */
export function streamOf(
  total: number,
  onOpen: () => void = () => {},
): { bytes: number; open(): AsyncGenerator<Uint8Array> } {
  return {
    bytes: total,
    async *open() {
      onOpen();
      for (let at = 0; at < total; ) {
        const size = Math.min(total - at, 1 + ((at * 31) % 70_000));
        yield Uint8Array.from({ length: size }, (_, i) => ((at + i) * 2654435761) >>> 24);
        at += size;
      }
    },
  };
}

/**
 * What every object store must do. `open` gives an empty one, how long its keys may be (1,024 bytes less what it puts
 * before them), and what to do when it is no longer needed.
 */
export function describeObjectStore(
  name: string,
  open: () => Promise<{
    readonly store: ObjectStore;
    readonly maxKeyBytes?: number;
    /** Whether it reads straight into memory that it is lent. */
    readonly usesMemory?: boolean;
    readonly close: () => Promise<void>;
  }>,
): void {
  describe(`object store contract: ${name}`, () => {
    let store: ObjectStore;
    let maxKeyBytes: number;
    let usesMemory: boolean;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ store, maxKeyBytes = 1024, usesMemory = false, close } = await open());
    });
    afterEach(() => close());

    it('gives back what was put, byte for byte', async () => {
      const body = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7);
      const { etag } = await store.put("a/b c/ü+&%'()!.bin", body);
      const object = await store.get("a/b c/ü+&%'()!.bin", LIMIT);
      expect(object).toEqual({ body, etag });
      expect(await store.head("a/b c/ü+&%'()!.bin")).toEqual({ bytes: 70_000, etag });
    });

    it('keeps empty objects', async () => {
      await store.put('empty', new Uint8Array(0));
      expect((await store.get('empty', { maxBytes: 0 })).body).toHaveLength(0);
      const chunks = await collect((await store.open('empty')).chunks);
      expect(chunks.map(text).join('')).toBe('');
      expect((await store.head('empty'))?.bytes).toBe(0);
    });

    it('replaces an object, with another etag', async () => {
      const first = await store.put('k', bytes('one'));
      const second = await store.put('k', bytes('two'));
      expect(second.etag).not.toBe(first.etag);
      expect(await readText(store, 'k')).toBe('two');
    });

    it('streams in both directions', async () => {
      const body = streamOf(6_000_000);
      const { etag } = await store.put('big', body);
      expect(await store.head('big')).toEqual({ bytes: 6_000_000, etag });
      const expected = createHash('sha256');
      for await (const chunk of body.open()) expected.update(chunk);
      const digest = expected.digest('hex');
      for (const reusesChunks of [false, true]) {
        // None, just enough, and too little to be of use.
        for (const lent of [undefined, 6_000_001, 5_999_999]) {
          const memory = lent === undefined ? undefined : new Uint8Array(lent);
          const stream = await store.open('big', { reusesChunks, ...(memory !== undefined && { memory }) });
          expect(stream.bytes).toBe(6_000_000);
          const hash = createHash('sha256');
          let length = 0;
          let isInMemory = memory !== undefined;
          for await (const chunk of stream.chunks) {
            if (chunk.buffer === memory?.buffer) expect(chunk.byteOffset).toBe(length);
            else isInMemory = false;
            hash.update(chunk);
            length += chunk.length;
          }
          expect(hash.digest('hex')).toBe(digest);
          if (isInMemory) {
            const whole = createHash('sha256').update(memory!.subarray(0, length));
            expect(whole.digest('hex')).toBe(digest);
          }
          if (usesMemory) expect(isInMemory).toBe(lent === 6_000_001);
        }
      }
    });

    it('can be left in the middle of a stream', async () => {
      await store.put('big', streamOf(2_000_000));
      for await (const chunk of (await store.open('big')).chunks) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      expect((await store.head('big'))?.bytes).toBe(2_000_000);
    });

    it('stores nothing when a source fails or is not as long as it says', async () => {
      const failing = {
        bytes: 100_000,
        async *open() {
          yield new Uint8Array(50_000);
          throw new Error('source broke');
        },
      };
      await expect(store.put('k', failing)).rejects.toThrow();
      const short = { ...streamOf(10), bytes: 11 };
      await expect(store.put('k', short)).rejects.toThrow();
      const long = { ...streamOf(12), bytes: 11 };
      await expect(store.put('k', long)).rejects.toThrow();
      expect(await store.head('k')).toBeUndefined();
      expect(await keysOf(store, '')).toEqual([]);
    });

    it('reads ranges and refuses those an object does not have', async () => {
      await store.put('k', bytes('0123456789'));
      expect(text(await store.getRange('k', 2, 5))).toBe('234');
      expect(text(await store.getRange('k', 9, 10))).toBe('9');
      for (const [start, end] of [
        [5, 11],
        [10, 11],
        [-1, 2],
        [3, 2],
        [0.5, 2],
      ] as const) {
        expect((await rejectionOf(store.getRange('k', start, end))).code).toBe('bad-input');
      }
    });

    it('refuses to read more than it was asked to', async () => {
      await store.put('k', bytes('0123456789'));
      const error = await rejectionOf(store.get('k', { maxBytes: 9 }));
      expect(error.code).toBe('too-large');
      expect((await store.get('k', { maxBytes: 10 })).body).toHaveLength(10);
    });

    it('says what is not there', async () => {
      expect((await rejectionOf(store.get('no', LIMIT))).code).toBe('not-found');
      expect((await rejectionOf(store.getRange('no', 0, 1))).code).toBe('not-found');
      expect((await rejectionOf(store.open('no'))).code).toBe('not-found');
      expect((await rejectionOf(store.getIfChanged('no', 'x', LIMIT))).code).toBe('not-found');
      expect(await store.head('no')).toBeUndefined();
      await store.put('folder/k', bytes('x'));
      expect((await rejectionOf(store.get('folder', LIMIT))).code).toBe('not-found');
      expect(await store.head('folder')).toBeUndefined();
    });

    it('transfers an object only when it has changed', async () => {
      const { etag } = await store.put('k', bytes('one'));
      expect(await store.getIfChanged('k', etag, LIMIT)).toBeUndefined();
      const second = await store.put('k', bytes('two'));
      expect(await store.getIfChanged('k', etag, LIMIT)).toEqual({ body: bytes('two'), etag: second.etag });
    });

    it('creates only what is not there when told so', async () => {
      const { etag } = await store.put('k', bytes('one'), { ifNoneMatch: '*' });
      const error = await rejectionOf(store.put('k', bytes('two'), { ifNoneMatch: '*' }));
      expect(error.code).toBe('conflict');
      expect(await store.get('k', LIMIT)).toEqual({ body: bytes('one'), etag });
      await store.delete('k');
      await store.put('k', bytes('three'), { ifNoneMatch: '*' });
    });

    it('replaces only what it was told to replace', async () => {
      const first = await store.put('k', bytes('one'));
      const second = await store.put('k', bytes('two'), { ifMatch: first.etag });
      const error = await rejectionOf(store.put('k', bytes('three'), { ifMatch: first.etag }));
      expect(error.code).toBe('conflict');
      expect(await store.get('k', LIMIT)).toEqual({ body: bytes('two'), etag: second.etag });
      await store.delete('k');
      const gone = await rejectionOf(store.put('k', bytes('three'), { ifMatch: second.etag }));
      expect(gone.code).toBe('conflict');
      expect(await store.head('k')).toBeUndefined();
    });

    it('takes the same content as the same state', async () => {
      const a = await store.put('k', bytes('A'));
      const b = await store.put('k', bytes('B'), { ifMatch: a.etag });
      const again = await store.put('k', bytes('A'), { ifMatch: b.etag });
      await store.put('k', bytes('C'), { ifMatch: again.etag });
      expect(await readText(store, 'k')).toBe('C');
    });

    it('lets exactly one of many creators win', async () => {
      const attempts = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => store.put('race', bytes(`writer ${i}`), { ifNoneMatch: '*' })),
      );
      const winners = attempts.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
      expect(winners).toHaveLength(1);
      expect(await readText(store, 'race')).toBe(`writer ${winners[0]}`);
      for (const attempt of attempts) {
        if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'conflict' });
      }
    });

    it('lets exactly one of many replacers win, round after round', async () => {
      let { etag } = await store.put('race', bytes('start'));
      for (let round = 0; round < 5; round++) {
        const attempts = await Promise.allSettled(
          Array.from({ length: 8 }, (_, i) => store.put('race', bytes(`${round}.${i}`), { ifMatch: etag })),
        );
        const winners = attempts.flatMap((attempt, i) =>
          attempt.status === 'fulfilled' ? [{ i, ...attempt.value }] : [],
        );
        expect(winners).toHaveLength(1);
        expect(await readText(store, 'race')).toBe(`${round}.${winners[0]!.i}`);
        etag = winners[0]!.etag;
      }
    });

    it('loses no increment when many count at once', async () => {
      await store.put('count', bytes('0'));
      async function increment(): Promise<void> {
        for (;;) {
          const { body, etag } = await store.get('count', LIMIT);
          const next = bytes(String(Number(text(body)) + 1));
          const outcome = await store.put('count', next, { ifMatch: etag }).catch((error: unknown) => error);
          if (!(outcome instanceof Error)) return;
          expect(outcome).toMatchObject({ code: 'conflict' });
        }
      }
      await Promise.all(Array.from({ length: 10 }, increment));
      expect(await readText(store, 'count')).toBe('10');
    });

    it('lists by prefix in the order of UTF-8 bytes', async () => {
      const keys = ['b', 'a/2', 'a/10', 'a/1', 'a-b', 'ab/c', 'a/sub/x', 'a/é', 'a/\u{1F600}', 'a/\uFF00'];
      for (const key of keys) await store.put(key, bytes(key));
      const inOrder = keys.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      expect(await keysOf(store, '')).toEqual(inOrder);
      expect(await keysOf(store, 'a/')).toEqual(inOrder.filter((key) => key.startsWith('a/')));
      expect(await keysOf(store, 'a/1')).toEqual(['a/1', 'a/10']);
      expect(await keysOf(store, 'a')).toEqual(inOrder.filter((key) => key.startsWith('a')));
      expect(await keysOf(store, 'nothing/')).toEqual([]);
      const [first] = await collect(store.list('a/sub/'));
      expect(first).toMatchObject({ key: 'a/sub/x', bytes: 7 });
      expect(Math.abs(first!.modifiedMs - Date.now())).toBeLessThan(600_000);
    });

    it('removes objects, also those that are not there', async () => {
      await store.put('a/b/c', bytes('x'));
      await store.put('a/d', bytes('y'));
      await store.delete('a/b/c');
      await store.delete('a/b/c');
      expect(await keysOf(store, '')).toEqual(['a/d']);
      await store.put('a/b/c', bytes('again'));
      expect(await readText(store, 'a/b/c')).toBe('again');
    });

    it.each([
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      '../a',
      'a/../b',
      'a/./b',
      'a/.hidden',
      'a\\b',
      'a\nb',
      'a\0b',
      'a\x7fb',
      'a\ud800',
      'x'.repeat(1025),
      'ü'.repeat(513),
      `${'x'.repeat(256)}/y`,
    ])('refuses the key %j', async (key) => {
      expect((await rejectionOf(store.put(key, bytes('x')))).code).toBe('bad-input');
      expect((await rejectionOf(store.get(key, LIMIT))).code).toBe('bad-input');
      expect((await rejectionOf(store.delete(key))).code).toBe('bad-input');
      expect((await rejectionOf(store.head(key))).code).toBe('bad-input');
    });

    it('takes keys up to the limit', async () => {
      const key = Array.from({ length: 5 }, () => 'x'.repeat(204))
        .join('/')
        .slice(0, maxKeyBytes);
      await store.put(key, bytes('x'));
      expect(await keysOf(store, '')).toEqual([key]);
      expect((await rejectionOf(store.put(`${key}x`, bytes('x')))).code).toBe('bad-input');
    });

    it('stops when told to', async () => {
      const signal = AbortSignal.abort();
      expect((await rejectionOf(store.put('k', bytes('x'), { signal }))).code).toBe('interrupted');
      await store.put('k', bytes('x'));
      expect((await rejectionOf(store.get('k', { ...LIMIT, signal }))).code).toBe('interrupted');
    });

    it('stores nothing when stopped in the middle', async () => {
      const controller = new AbortController();
      const body = {
        bytes: 300_000,
        async *open() {
          yield new Uint8Array(100_000);
          controller.abort();
          yield new Uint8Array(200_000);
        },
      };
      const error = await rejectionOf(store.put('k', body, { signal: controller.signal }));
      expect(error.code).toBe('interrupted');
      expect(await store.head('k')).toBeUndefined();
    });

    it('sweeps nothing that is visible', async () => {
      await store.put('a/b', bytes('x'));
      await store.sweep(0);
      expect(await readText(store, 'a/b')).toBe('x');
    });
  });
}
