import { createHash } from 'node:crypto';
import { HimplosError } from '../../shared/errors.ts';
import { countBytes, type DType, tensorBytes } from '../../shared/formats/element-types.ts';
import {
  decodeSafetensors,
  encodeSafetensorsHeader,
  MAX_SAFETENSORS_HEADER_BYTES,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsDataOffset,
} from '../../shared/formats/safetensors.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import type { Tensor, Tensors } from '../../shared/tensor.ts';
import {
  decodePartialDocument,
  encodePartialDocument,
  type PartialDocument,
  type PartialIdentity,
  requireIdentity,
} from './partial-document.ts';

/** A tensor that is written from its bytes, which can be read more than once. */
export interface StreamedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly read: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** A tensor in memory, to be written without a copy. */
export function inMemory(tensor: Tensor): StreamedTensor {
  return { dtype: tensor.dtype, shape: tensor.shape, read: () => [tensorBytes(tensor)] };
}

/** A partial as it lies in a store. */
export interface StoredPartial extends SafetensorsHeader {
  readonly key: string;
  readonly bytes: number;
  readonly document: PartialDocument;
}

/** Statistics are below: 100 MB for class sums of 2048 × 1000, 400 MB for a bank of 50,000 rows. */
const MAX_PARTIAL_BYTES = 2 ** 32;

/**
 * Writes a partial, whole or not at all; the same content gives the same bytes. Tensors are read twice, for the digest
 * and to be sent, so that memory holds none of them twice.
 */
export async function writePartial(
  store: ObjectStore,
  key: string,
  document: Omit<PartialDocument, 'sha256' | 'formatVersion'>,
  tensors: Readonly<Record<string, StreamedTensor>>,
  signal: AbortSignal,
): Promise<void> {
  const { names } = encodeSafetensorsHeader(tensors);
  const hash = createHash('sha256');
  for (const name of names) for await (const chunk of tensors[name]!.read()) hash.update(chunk);
  const whole: PartialDocument = { ...document, formatVersion: 1, sha256: hash.digest('hex') };
  const { header } = encodeSafetensorsHeader(tensors, encodePartialDocument(whole));
  const bytes = names.reduce((total, name) => {
    const { dtype, shape } = tensors[name]!;
    return total + countBytes(dtype, shape)!;
  }, header.length);
  async function* open(): AsyncGenerator<Uint8Array> {
    yield header;
    for (const name of names) yield* tensors[name]!.read();
  }
  await store.put(key, { bytes, open }, { signal });
}

/**
 * Reads what a partial says of itself, and nothing else. Throws `bad-input` naming it for what is no partial, is
 * truncated, or is not the one expected.
 */
export async function readPartialHeader(
  store: ObjectStore,
  { key, bytes }: { readonly key: string; readonly bytes: number },
  expected: PartialIdentity,
  signal: AbortSignal,
): Promise<StoredPartial> {
  const where = `${store.address}: ${key}`;
  const header = await named(where, async () => {
    const start = await store.getRange(key, 0, Math.min(8, bytes), { signal });
    const end = Math.min(safetensorsDataOffset(start, bytes), MAX_SAFETENSORS_HEADER_BYTES + 8);
    return parseSafetensorsHeader(await store.getRange(key, 0, end, { signal }), bytes);
  });
  const document = decodePartialDocument(header.metadata, where);
  requireIdentity(document, expected, where);
  return { ...header, key, bytes, document };
}

/** Memory that partials are read into, one after the other: 100 of 17 MB would wait for a garbage collection. */
export interface ReadBuffer {
  bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a whole partial and checks its digest. The tensors are valid until the buffer is used again. Throws `bad-input`
 * or `too-large` naming it.
 */
export async function readPartial(
  store: ObjectStore,
  partial: StoredPartial,
  buffer: ReadBuffer,
  signal: AbortSignal,
): Promise<Tensors> {
  const { key, bytes } = partial;
  const where = `${store.address}: ${key}`;
  if (bytes > MAX_PARTIAL_BYTES) {
    throw new HimplosError(
      'too-large',
      `${where}: expected at most ${MAX_PARTIAL_BYTES} bytes, got ${bytes}`,
      {
        hint: 'use a method that keeps less of its training data',
      },
    );
  }
  if (buffer.bytes.length < bytes) buffer.bytes = new Uint8Array(bytes);
  const body = buffer.bytes.subarray(0, bytes);
  const content = new ContentCheck(where, partial);
  let length = 0;
  for await (const chunk of (await store.open(key, { signal, reusesChunks: true, memory: body })).chunks) {
    content.add(chunk);
    if (chunk.buffer !== body.buffer) body.set(chunk, length);
    length += chunk.length;
  }
  content.finish();
  return (await named(where, async () => decodeSafetensors(body))).tensors;
}

/** Holds a partial that is being read against the length and the digest that its header says. */
export class ContentCheck {
  readonly #where: string;
  readonly #partial: StoredPartial;
  readonly #hash = createHash('sha256');
  #length = 0;

  /** @param where what to call the partial in messages */
  constructor(where: string, partial: StoredPartial) {
    this.#where = where;
    this.#partial = partial;
  }

  /** Takes the next bytes of the whole file. Throws `bad-input` for too many. */
  add(chunk: Uint8Array): void {
    const { bytes, dataOffset } = this.#partial;
    if (this.#length + chunk.length > bytes) throw damagedPartial(this.#where);
    this.#hash.update(chunk.subarray(Math.min(chunk.length, Math.max(0, dataOffset - this.#length))));
    this.#length += chunk.length;
  }

  /** Throws `bad-input` unless that was everything, and what was written. */
  finish(): void {
    const { bytes, document } = this.#partial;
    if (this.#length !== bytes || this.#hash.digest('hex') !== document.sha256)
      throw damagedPartial(this.#where);
  }
}

/** What to say of a partial whose bytes are not those that were written. */
export function damagedPartial(where: string): HimplosError {
  return new HimplosError('bad-input', `${where} is damaged: its content does not have the SHA-256 it says`, {
    hint: 'remove it and run that shard again',
  });
}

async function named<T>(where: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof HimplosError) || cause.code !== 'bad-input') throw cause;
    throw new HimplosError('bad-input', `${where}: ${cause.message}`, {
      hint: 'it is truncated or damaged: remove it and run that shard again',
      cause,
    });
  }
}
