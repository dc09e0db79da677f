import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HimplosError } from '../../../shared/errors.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  encodeSafetensorsHeader,
  MAX_SAFETENSORS_HEADER_BYTES,
  parseSafetensorsHeader,
  safetensorsDataOffset,
} from '../../../shared/formats/safetensors.ts';
import type { Tensors } from '../../../shared/tensor.ts';
import { arbitraryTensor } from './arbitrary-tensor.ts';
import { failureOf } from './expect-failure.ts';

/** A file from a header's text, independent of the encoder. */
function handMade(header: string | Uint8Array, dataBytes = 0, headerBytes?: bigint): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerBytes ?? BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, Buffer.alloc(dataBytes)]));
}

const small: Tensors = {
  weight: { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, -2, 3, 4, 5, 6) },
  scores: { dtype: 'F64', shape: [2], data: Float64Array.of(0.1, Math.PI) },
  labels: { dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 7n) },
  counts: { dtype: 'I32', shape: [1], data: Int32Array.of(-5) },
  mask: { dtype: 'U8', shape: [3, 1], data: Uint8Array.of(1, 255, 0) },
  empty: { dtype: 'F32', shape: [0, 9], data: new Float32Array(0) },
};

describe('writing safetensors', () => {
  it('gives the same bytes for the same content in any order', () => {
    const reversed = Object.fromEntries(Object.entries(small).reverse());
    const bytes = encodeSafetensors(small, { a: '1', b: '2' });
    expect(encodeSafetensors(reversed, { b: '2', a: '1' })).toEqual(bytes);
  });

  it('puts wide elements first, then names in order, all aligned', () => {
    const { entries, dataOffset } = parseSafetensorsHeader(encodeSafetensors(small));
    expect(entries.map(({ name }) => name)).toEqual([
      'labels',
      'scores',
      'empty',
      'weight',
      'counts',
      'mask',
    ]);
    expect(dataOffset % 8).toBe(0);
  });

  it('writes the layout of the format, byte for byte', () => {
    const bytes = encodeSafetensors(
      { t: { dtype: 'U8', shape: [2], data: Uint8Array.of(7, 9) } },
      { k: 'v"' },
    );
    const header = '{"__metadata__":{"k":"v\\""},"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    const expected = handMade(padded, 2);
    expected.set([7, 9], expected.length - 2);
    expect(bytes).toEqual(expected);
  });

  it('refuses a reserved name, a shape that cannot be counted and data of another length', () => {
    const data = new Float32Array(3);
    expect(
      failureOf(() => encodeSafetensors({ __metadata__: { dtype: 'F32', shape: [3], data } })).code,
    ).toBe('bad-input');
    expect(failureOf(() => encodeSafetensors({ t: { dtype: 'F32', shape: [-3], data } })).code).toBe(
      'bad-input',
    );
    expect(failureOf(() => encodeSafetensors({ t: { dtype: 'F32', shape: [4], data } })).code).toBe(
      'bad-input',
    );
  });

  it('offers the header alone for writers that stream', () => {
    const bytes = encodeSafetensors(small, { note: 'ü' });
    const { header, names } = encodeSafetensorsHeader(small, { note: 'ü' });
    expect(bytes.subarray(0, header.length)).toEqual(header);
    expect(names).toEqual(parseSafetensorsHeader(bytes).entries.map(({ name }) => name));
  });
});

describe('reading safetensors', () => {
  it('gives back any tensors and metadata', () => {
    const name = fc
      .string({ maxLength: 12 })
      .filter((text) => text !== '__metadata__' && text.isWellFormed());
    const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed());
    fc.assert(
      fc.property(
        fc.dictionary(name, arbitraryTensor(), { maxKeys: 6 }),
        fc.dictionary(text, text),
        (tensors, metadata) => {
          const read = decodeSafetensors(encodeSafetensors(tensors, metadata));
          expect(Object.entries(read.tensors).sort()).toEqual(Object.entries(tensors).sort());
          expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort());
        },
      ),
      { seed: 5, numRuns: 200 },
    );
  });

  it('keeps names that mean something to JavaScript', () => {
    const tensors: Tensors = Object.fromEntries(
      ['__proto__', 'constructor', 'toString'].map((name) => [name, small.counts!]),
    );
    const read = decodeSafetensors(encodeSafetensors(tensors)).tensors;
    expect(Object.keys(read).sort()).toEqual(['__proto__', 'constructor', 'toString']);
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  });

  it('copies nothing when the file lies aligned in memory, and copies when it does not', () => {
    const bytes = encodeSafetensors(small);
    expect(decodeSafetensors(bytes).tensors.scores!.data.buffer).toBe(bytes.buffer);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const { tensors } = decodeSafetensors(shifted.subarray(1));
    expect(tensors.scores).toEqual(small.scores);
    expect(tensors.weight).toEqual(small.weight);
  });

  it('reads a header of foreign length and key order', () => {
    const file = handMade(
      '{"b":{"data_offsets":[4,8],"shape":[1],"dtype":"F32"},"a":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}',
      8,
    );
    const { tensors } = decodeSafetensors(file);
    expect(tensors).toEqual({
      a: { dtype: 'I32', shape: [], data: Int32Array.of(0) },
      b: { dtype: 'F32', shape: [1], data: Float32Array.of(0) },
    });
  });

  it('needs eight bytes for the data offset and the header for the rest', () => {
    const bytes = encodeSafetensors(small);
    const offset = safetensorsDataOffset(bytes.subarray(0, 8), bytes.length);
    const streamed = parseSafetensorsHeader(bytes.subarray(0, offset), bytes.length);
    expect(streamed).toEqual(parseSafetensorsHeader(bytes));
  });

  const t = (fields: string) => `{"t":{${fields}}}`;
  it.each<[string, string | Uint8Array, number]>([
    ['nothing', '', 0],
    ['a list', '[]', 0],
    ['a leading space', ` ${t('"dtype":"U8","shape":[1],"data_offsets":[0,1]')}`, 1],
    ['a byte order mark', '\uFEFF{}', 0],
    ['text after the object', '{}x', 0],
    ['a trailing comma', '{"__metadata__":{},}', 0],
    ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7b, 0x7d, 0x7d), 0],
    [
      'a tensor twice',
      '{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ],
    [
      'a tensor twice, once escaped',
      '{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0074":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ],
    ['a field twice', t('"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]'), 1],
    ['a field unknown', t('"dtype":"U8","shape":[1],"data_offsets":[0,1],"stride":[1]'), 1],
    ['a field missing', t('"dtype":"U8","shape":[1]'), 1],
    ['a null tensor', '{"t":null}', 0],
    ['metadata that is not text', '{"__metadata__":{"a":1}}', 0],
    ['metadata that is null', '{"__metadata__":null}', 0],
    ['a negative dimension', t('"dtype":"U8","shape":[-1],"data_offsets":[0,1]'), 1],
    ['a fractional dimension', t('"dtype":"U8","shape":[1.5],"data_offsets":[0,1]'), 1],
    ['a dimension as text', t('"dtype":"U8","shape":["1"],"data_offsets":[0,1]'), 1],
    [
      'an unsafe dimension',
      t('"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,9007199254740993]'),
      1,
    ],
    ['a product that overflows', t('"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]'), 0],
    [
      'a product that overflows beside a zero',
      t('"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]'),
      0,
    ],
    ['a span unlike the shape', t('"dtype":"F32","shape":[1],"data_offsets":[0,8]'), 8],
    ['offsets the wrong way round', t('"dtype":"U8","shape":[1],"data_offsets":[1,0]'), 1],
    ['three offsets', t('"dtype":"U8","shape":[1],"data_offsets":[0,1,1]'), 1],
    ['a gap before the first tensor', t('"dtype":"U8","shape":[1],"data_offsets":[1,2]'), 2],
    [
      'a gap between tensors',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}',
      3,
    ],
    [
      'an overlap',
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
      3,
    ],
    [
      'the same place twice',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
    ],
    ['data no tensor covers', t('"dtype":"U8","shape":[1],"data_offsets":[0,1]'), 2],
    [
      'less data than its tensors',
      t('"dtype":"F64","shape":[1125899906842623],"data_offsets":[0,9007199254740984]'),
      8,
    ],
    ['deep nesting', `{"t":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 0],
  ])('refuses a file with %s', (_, header, dataBytes) => {
    const error = failureOf(() => decodeSafetensors(handMade(header, dataBytes)));
    expect(error.code).toBe('bad-input');
    expect(error.hint).toBeDefined();
    expect(error.message.length).toBeLessThan(500);
  });

  it('names element types it does not read', () => {
    const file = handMade(t('"dtype":"BF16","shape":[1],"data_offsets":[0,2]'), 2);
    const error = failureOf(() => decodeSafetensors(file));
    expect(error.code).toBe('unsupported');
    expect(error.message).toContain('BF16');
  });

  it('refuses a header length beyond the file or the bound before reading on', () => {
    for (const length of [1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(failureOf(() => decodeSafetensors(handMade('', 0, length))).code).toBe('bad-input');
    }
    const eight = handMade('', 0, BigInt(MAX_SAFETENSORS_HEADER_BYTES + 1));
    expect(failureOf(() => safetensorsDataOffset(eight, 2 ** 40)).code).toBe('too-large');
  });

  it('refuses every truncation and every extension', () => {
    const bytes = encodeSafetensors(small, { key: 'value' });
    for (let length = 0; length < bytes.length; length++) {
      expect(failureOf(() => decodeSafetensors(bytes.subarray(0, length))).code).toBe('bad-input');
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    expect(failureOf(() => decodeSafetensors(longer)).code).toBe('bad-input');
  });

  it('reads or refuses a header with any byte changed, never beyond the file', () => {
    const bytes = encodeSafetensors(small, { key: 'value' });
    const { dataOffset } = parseSafetensorsHeader(bytes);
    let refused = 0;
    for (let at = 0; at < dataOffset; at++) {
      for (const flip of [0x01, 0x10, 0x80, 0xff]) {
        const damaged = bytes.slice();
        damaged[at]! ^= flip;
        try {
          const { tensors } = decodeSafetensors(damaged);
          const covered = Object.values(tensors).reduce((total, { data }) => total + data.byteLength, 0);
          expect(covered).toBe(bytes.length - dataOffset);
        } catch (error) {
          if (!(error instanceof HimplosError)) throw error;
          refused++;
        }
      }
    }
    // What passes are changed names and metadata: the format has no checksum of its own.
    expect(refused).toBeGreaterThan(dataOffset * 2);
  });
});
