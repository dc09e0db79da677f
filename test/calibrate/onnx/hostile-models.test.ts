import { describe, expect, it } from 'vitest';
import { cutAtHead } from '../../../calibrate/onnx/cut-at-head.ts';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { TensorProto_DataType as TYPE } from '../../../calibrate/onnx/onnx_pb.ts';
import { makeInt64, makeTensor, makeNode as node } from '../../../calibrate/onnx/proto-parts.ts';
import { parseModel } from '../../../calibrate/onnx/read-model.ts';
import { HimplosError } from '../../../shared/errors.ts';
import { randomNumbers } from '../../shared/random.ts';
import { encodeModel, floats, modelOf, normals, smallModel } from './build-model.ts';

/** A model that sends the reader through all kinds of constants. */
const bytes = encodeModel(
  smallModel({
    input: ['N', 4, 1, 1],
    outputs: ['y', 'h'],
    nodes: [
      node('Reshape', ['x', 'shape'], ['h']),
      node('DequantizeLinear', ['q', 's', 'z'], ['w0'], { axis: 0 }),
      node('Transpose', ['w0'], ['w1'], { perm: [1, 0] }),
      node('Unsqueeze', ['w1', 'zero'], ['w2']),
      node('Squeeze', ['w2', 'zero'], ['w3']),
      node('Reshape', ['w3', 'wshape'], ['w']),
      node('MatMul', ['h', 'w'], ['product']),
      node('Add', ['product', 'b'], ['sum']),
      node('Softmax', ['sum'], ['y'], { axis: -1 }),
    ],
    initializers: [
      makeInt64('shape', [0, 4]),
      makeInt64('zero', [0]),
      makeInt64('wshape', [4, -1]),
      makeTensor(
        'q',
        TYPE.INT8,
        [3, 4],
        Int8Array.from({ length: 12 }, (_, i) => i - 6),
      ),
      floats('s', [3], [0.1, 0.2, 0.3]),
      makeTensor('z', TYPE.INT8, [3], new Int8Array(3)),
      floats('b', [3], normals(3, 1)),
    ],
  }),
);

/** Whether the bytes still make a model with a head; anything but a HimplosError is a bug. */
function isUsable(damaged: Uint8Array): boolean {
  try {
    const model = modelOf(parseModel(damaged, 'damaged.onnx'));
    cutAtHead(model, findHead(model));
    return true;
  } catch (error) {
    if (error instanceof HimplosError) return false;
    throw error;
  }
}

describe('a damaged model', () => {
  it('is usable while it is whole', () => {
    expect(isUsable(bytes)).toBe(true);
  });

  it('is an error at most at every length', () => {
    let usable = 0;
    for (let length = 0; length < bytes.length; length++) if (isUsable(bytes.subarray(0, length))) usable++;
    expect(usable).toBeLessThan(bytes.length / 100);
  });

  it('is an error at most with any one bit turned round, and asks for no more memory than its size', () => {
    let refused = 0;
    let largest = 0;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const before = process.memoryUsage().arrayBuffers;
      if (!isUsable(damaged)) refused++;
      largest = Math.max(largest, process.memoryUsage().arrayBuffers - before);
    }
    expect(refused).toBeGreaterThan(bytes.length); // one in eight at the very least
    expect(largest).toBeLessThan(16 * 2 ** 20);
  });

  it('is an error at most with several bytes replaced', () => {
    const random = randomNumbers(7);
    let refused = 0;
    for (let round = 0; round < 4000; round++) {
      const damaged = bytes.slice();
      for (let i = 0; i < 1 + Math.floor(random() * 6); i++) {
        damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256);
      }
      if (!isUsable(damaged)) refused++;
    }
    expect(refused).toBeGreaterThan(1000);
  });
});

describe('a file built to use up memory', () => {
  /** A field of the given number that holds `body`. */
  function field(number: number, body: Uint8Array): Uint8Array {
    const length: number[] = [];
    for (let rest = body.length; ; rest = Math.floor(rest / 128)) {
      length.push(rest < 128 ? rest : (rest % 128) + 128);
      if (rest < 128) break;
    }
    return Buffer.concat([Uint8Array.of(number * 8 + 2, ...length), body]);
  }
  const GRAPH = 7;
  const NODE = 1;
  const INITIALIZER = 5;
  const refusal = (damaged: Uint8Array) => {
    try {
      parseModel(damaged, 'bomb.onnx');
    } catch (error) {
      return error instanceof HimplosError ? error.message : String(error);
    }
    return 'accepted';
  };

  it('with millions of empty nodes is refused before it is parsed', () => {
    const nodes = new Uint8Array(10_000_000);
    for (let i = 0; i < nodes.length; i += 2) nodes[i] = NODE * 8 + 2;
    expect(refusal(field(GRAPH, nodes))).toMatch(/more than 4000000 parts/);
  });

  it('with a tensor of millions of one-byte integers is refused before it is parsed', () => {
    const int64Data = field(7, new Uint8Array(20_000_000));
    expect(refusal(field(GRAPH, field(INITIALIZER, int64Data)))).toMatch(/more than 16000000 bigints/);
  });

  it('with graphs inside graphs inside graphs is refused', () => {
    const ATTRIBUTE = 5;
    const INNER_GRAPH = 6;
    let graph = field(NODE, new Uint8Array());
    for (let depth = 0; depth < 200; depth++)
      graph = field(NODE, field(ATTRIBUTE, field(INNER_GRAPH, graph)));
    expect(refusal(field(GRAPH, graph))).toMatch(/nested more than/);
  });
});
