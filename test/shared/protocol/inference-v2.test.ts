import { describe, expect, it } from 'vitest';
import { HimplosError } from '../../../shared/errors.ts';
import { readInferRequest } from '../../../shared/protocol/inference-v2.ts';

const WIDTH = 3;
const encode = (document: unknown) => new TextEncoder().encode(JSON.stringify(document));
const input = (extra: object = {}) => ({ name: 'features', datatype: 'FP32', shape: [2, WIDTH], ...extra });
const DATA = [1, 2, 3, 4, 5, 6];

/** A body of JSON and tensor bytes, and the length of the JSON. */
function withBinary(document: unknown, bytes: Uint8Array): [Uint8Array, string] {
  const json = encode(document);
  return [new Uint8Array(Buffer.concat([json, bytes])), String(json.length)];
}

describe('infer requests', () => {
  it('take flat, nested and binary data in both precisions', () => {
    const doubles = new Uint8Array(Float64Array.from(DATA).buffer);
    const floats = new Uint8Array(Float32Array.from(DATA).buffer);
    const binary = (datatype: string, bytes: Uint8Array) =>
      withBinary({ inputs: [input({ datatype, parameters: { binary_data_size: bytes.length } })] }, bytes);
    const requests = [
      readInferRequest(encode({ inputs: [input({ data: DATA })] }), undefined, WIDTH),
      readInferRequest(
        encode({ inputs: [input({ data: [DATA.slice(0, 3), DATA.slice(3)] })] }),
        undefined,
        WIDTH,
      ),
      readInferRequest(...binary('FP32', floats), WIDTH),
      readInferRequest(...binary('FP64', doubles), WIDTH),
    ];
    for (const { rows, features, outputs, id } of requests) {
      expect(rows).toBe(2);
      expect([...features]).toEqual(DATA);
      expect(outputs.map(({ name }) => name)).toEqual([
        'score',
        'is_ood',
        'predicted_class',
        'p_value',
        'cosine',
      ]);
      expect(id).toBeUndefined();
    }
  });

  it('choose outputs and their form', () => {
    const request = (extra: object) =>
      readInferRequest(encode({ inputs: [input({ data: DATA })], ...extra }), undefined, WIDTH).outputs;
    expect(request({ parameters: { binary_data_output: true } }).every(({ isBinary }) => isBinary)).toBe(
      true,
    );
    expect(
      request({
        parameters: { binary_data_output: true },
        outputs: [{ name: 'cosine' }, { name: 'score', parameters: { binary_data: false } }],
      }),
    ).toEqual([
      { name: 'cosine', isBinary: true },
      { name: 'score', isBinary: false },
    ]);
  });

  it.each<[string, object, string]>([
    ['another input', { inputs: [{ ...input({ data: DATA }), name: 'x' }] }, 'bad-input'],
    ['two inputs', { inputs: [input({ data: DATA }), input({ data: DATA })] }, 'bad-input'],
    ['integers', { inputs: [input({ data: DATA, datatype: 'INT64' })] }, 'unsupported'],
    ['another width', { inputs: [input({ data: DATA, shape: [3, 2] })] }, 'bad-input'],
    ['too few numbers', { inputs: [input({ data: [1, 2] })] }, 'bad-input'],
    ['no data', { inputs: [input()] }, 'bad-input'],
    ['a negative shape', { inputs: [input({ data: DATA, shape: [-2, 3] })] }, 'bad-input'],
    ['a huge shape', { inputs: [input({ data: DATA, shape: [2 ** 40, 3] })] }, 'too-large'],
    ['bytes that are not there', { inputs: [input({ parameters: { binary_data_size: 24 } })] }, 'bad-input'],
    ['an unknown output', { inputs: [input({ data: DATA })], outputs: [{ name: 'logits' }] }, 'bad-input'],
    [
      'an output twice',
      { inputs: [input({ data: DATA })], outputs: [{ name: 'score' }, { name: 'score' }] },
      'bad-input',
    ],
    ['an unknown field', { inputs: [input({ data: DATA })], output: [] }, 'bad-input'],
    ['a number for an id', { id: 7, inputs: [input({ data: DATA })] }, 'bad-input'],
  ])('refuse %s', (_, document, code) => {
    expect(() => readInferRequest(encode(document), undefined, WIDTH)).toThrow(
      expect.objectContaining({ code, hint: expect.any(String) }) as HimplosError,
    );
  });

  it('refuse a JSON length beyond the body, and bytes that belong to nothing', () => {
    const body = encode({ inputs: [input({ data: DATA })] });
    for (const length of [String(body.length + 1), '-1', 'x', '']) {
      expect(() => readInferRequest(body, length, WIDTH)).toThrow(HimplosError);
    }
    const [longer, length] = withBinary({ inputs: [input({ data: DATA })] }, new Uint8Array(4));
    expect(() => readInferRequest(longer, length, WIDTH)).toThrow(/belong to no input/);
  });
});
