import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HimplosError } from '../../../shared/errors.ts';
import {
  decodeNpy,
  encodeNpy,
  encodeNpyHeader,
  MAX_NPY_HEADER_BYTES,
  parseNpyHeader,
} from '../../../shared/formats/npy.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { arbitraryTensor } from './arbitrary-tensor.ts';
import { failureOf } from './expect-failure.ts';

/** A .npy file written by hand, independent of the encoder. */
function handMade(dictionary: string, data: Uint8Array = new Uint8Array(0), version = 1): Uint8Array {
  const text = Buffer.from(dictionary, 'utf8');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.from([version, 0]), length, text, data]);
}

const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);

describe('reading .npy', () => {
  it.each([1, 2, 3])('reads version %i headers', (version) => {
    const file = handMade("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", floats, version);
    expect(decodeNpy(file)).toEqual({
      dtype: 'F32',
      shape: [2, 3],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  it('takes keys in any order, double quotes and no trailing comma', () => {
    const file = handMade(`{"shape":(6,),"descr":"<f4","fortran_order":False}`, floats);
    expect(parseNpyHeader(file)).toMatchObject({ dtype: 'F32', shape: [6], fortranOrder: false });
  });

  it('reads scalars and empty arrays', () => {
    const scalar = handMade("{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", new Uint8Array(8));
    expect(decodeNpy(scalar)).toMatchObject({ dtype: 'F64', shape: [], data: Float64Array.of(0) });
    const empty = handMade("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 7), }\n");
    expect(decodeNpy(empty)).toMatchObject({ shape: [0, 7], data: new Uint8Array(0) });
  });

  it('views aligned bytes and copies others', () => {
    const file = encodeNpy({ dtype: 'F32', shape: [6], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
    expect(decodeNpy(file).data.buffer).toBe(file.buffer);
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    const copy = decodeNpy(shifted.subarray(1));
    expect(copy.data.buffer).not.toBe(shifted.buffer);
    expect(copy.data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  it('needs only the header for the header', () => {
    const header = handMade("{'descr': '<i8', 'fortran_order': True, 'shape': (1000000, 2048), }\n");
    expect(parseNpyHeader(header)).toEqual({
      dtype: 'I64',
      shape: [1_000_000, 2048],
      fortranOrder: true,
      dataOffset: header.length,
    });
  });

  it.each(['>f4', '<f2', '|b1', '<c8', '<U5', '|O', '<u8'])(
    'names the element type %s it cannot take',
    (descr) => {
      const file = handMade(`{'descr': '${descr}', 'fortran_order': False, 'shape': (3,), }\n`);
      const error = failureOf(() => parseNpyHeader(file));
      expect(error.code).toBe('unsupported');
      expect(error.message).toContain(descr);
      expect(error.hint).toContain('array.astype("float32")');
    },
  );

  it('names structured types instead of reading them', () => {
    const file = handMade(
      "{'descr': [('x', '<f4'), ('y', '<i8')], 'fortran_order': False, 'shape': (3,), }\n",
    );
    expect(failureOf(() => parseNpyHeader(file))).toMatchObject({ code: 'unsupported' });
  });

  it('refuses Fortran order except where it means nothing', () => {
    const matrix = handMade("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", floats);
    expect(failureOf(() => decodeNpy(matrix))).toMatchObject({ code: 'unsupported' });
    const vector = handMade("{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }\n", floats);
    expect(decodeNpy(vector).shape).toEqual([6]);
  });

  it.each([
    ['no dictionary', '[1, 2]'],
    ['code', "__import__('os').system('true')"],
    ['a call inside', "{'descr': str('<f4'), 'fortran_order': False, 'shape': (3,), }"],
    ['a missing key', "{'descr': '<f4', 'shape': (3,), }"],
    ['an extra key', "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1, }"],
    ['a key twice', "{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (3,), }"],
    ['a number for the order', "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,), }"],
    ['a number for the shape', "{'descr': '<f4', 'fortran_order': False, 'shape': 3, }"],
    ['a bracketed number', "{'descr': '<f4', 'fortran_order': False, 'shape': (3), }"],
    ['a lone comma', "{'descr': '<f4', 'fortran_order': False, 'shape': (,), }"],
    ['a leading zero', "{'descr': '<f4', 'fortran_order': False, 'shape': (03,), }"],
    ['a negative dimension', "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }"],
    ['a huge product', "{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740991, 2), }"],
    [
      'a huge product with a zero',
      "{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740991, 0, 2), }",
    ],
    ['text after it', "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } True"],
    ['an order for the type', "{'descr': True, 'fortran_order': False, 'shape': (3,), }"],
  ])('refuses a header with %s', (_, dictionary) => {
    const error = failureOf(() => decodeNpy(handMade(dictionary, floats)));
    expect(error.code).toBe('bad-input');
    expect(error.hint).toBeDefined();
  });

  it('refuses data shorter or longer than the header says, before allocating', () => {
    const huge = handMade(
      "{'descr': '<f8', 'fortran_order': False, 'shape': (1125899906842623,), }\n",
      floats,
    );
    expect(failureOf(() => decodeNpy(huge)).message).toContain('got');
    const long = handMade("{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }\n", floats);
    expect(failureOf(() => decodeNpy(long)).code).toBe('bad-input');
  });

  it('refuses a header over the bound and other versions', () => {
    const file = handMade(`{'descr': '<f4'}${' '.repeat(MAX_NPY_HEADER_BYTES)}`, floats, 2);
    expect(failureOf(() => parseNpyHeader(file)).code).toBe('too-large');
    file[6] = 4;
    expect(failureOf(() => parseNpyHeader(file)).code).toBe('unsupported');
  });

  it('refuses every truncation', () => {
    const file = encodeNpy({ dtype: 'I32', shape: [3, 2], data: Int32Array.of(1, 2, 3, 4, 5, 6) });
    for (let length = 0; length < file.length; length++) {
      expect(failureOf(() => decodeNpy(file.subarray(0, length))).code).toBe('bad-input');
    }
  });

  it('reads or refuses a file with any byte changed, and never misreads its size', () => {
    const file = encodeNpy({ dtype: 'I32', shape: [3, 2], data: Int32Array.of(1, 2, 3, 4, 5, 6) });
    const { dataOffset } = parseNpyHeader(file);
    for (let at = 0; at < dataOffset; at++) {
      for (const flip of [0x01, 0x20, 0x80, 0xff]) {
        const damaged = file.slice();
        damaged[at]! ^= flip;
        try {
          expect(decodeNpy(damaged).data.byteLength).toBe(24);
        } catch (error) {
          expect(error).toBeInstanceOf(HimplosError);
        }
      }
    }
  });
});

describe('writing .npy', () => {
  it('starts the data on a 64-byte boundary and keeps the header length while rows grow', () => {
    const one = encodeNpyHeader('F32', [1, 342]);
    const many = encodeNpyHeader('F32', [123_456_789, 342]);
    expect(one.length % 64).toBe(0);
    expect(many.length).toBe(one.length);
  });

  it('writes what numpy writes', () => {
    // numpy 1.26: np.save(f, np.zeros((2, 3), np.float32)), first 128 bytes.
    const expected = `${"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117)}\n`;
    expect(Buffer.from(encodeNpyHeader('F32', [2, 3])).toString('latin1')).toBe(
      `\x93NUMPY\x01\x00\x76\x00${expected}`,
    );
  });

  it('gives back what was written', () => {
    fc.assert(
      fc.property(arbitraryTensor(), (tensor) => {
        expect(decodeNpy(encodeNpy(tensor))).toEqual(tensor);
      }),
      { seed: 11, numRuns: 200 },
    );
  });

  it('refuses a shape unlike the data', () => {
    const tensor = { dtype: 'F32', shape: [2, 2], data: new Float32Array(5) } as const;
    expect(failureOf(() => encodeNpy(tensor)).code).toBe('bad-input');
    expect(failureOf(() => encodeNpyHeader('F32', [1.5])).code).toBe('bad-input');
  });
});

describe.skipIf(!hasRealData)(`arrays of the benchmark (${needsData})`, () => {
  it('reads features and labels', () => {
    const features = decodeNpy(readFileSync(realData('cifar10/features/test.features.npy')));
    expect(features).toMatchObject({ dtype: 'F32', shape: [2000, 342] });
    expect(features.data).toHaveLength(2000 * 342);
  });
});
