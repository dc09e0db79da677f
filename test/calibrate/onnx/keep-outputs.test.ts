import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { keepOutputs } from '../../../calibrate/onnx/keep-outputs.ts';
import { liveNodes } from '../../../calibrate/onnx/live-nodes.ts';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  ModelProtoSchema,
  type NodeProto,
} from '../../../calibrate/onnx/onnx_pb.ts';
import { makeNode as node } from '../../../calibrate/onnx/proto-parts.ts';
import { HimplosError } from '../../../shared/errors.ts';
import { randomNumbers } from '../../shared/random.ts';
import { encodeModel, floats, normals, type SmallGraph, smallModel } from './build-model.ts';
import { runModel } from './run-model.ts';

/** Features and a head, with weights of `width` × 4 before and `tail` numbers that only `score` needs. */
function graph(width: number, tail: number): SmallGraph {
  return {
    input: ['N', 4],
    outputs: ['logits', 'score', 'features'],
    nodes: [
      node('MatMul', ['x', 'w'], ['product']),
      node('Relu', ['product'], ['features']),
      node('MatMul', ['features', 'head'], ['logits']),
      node('Mul', ['logits', 'scale'], ['scaled']),
      node('ReduceSum', ['scaled', 'axes'], ['sum'], { keepdims: 0 }),
      node('Identity', ['sum'], ['score']),
    ],
    initializers: [
      floats('w', [4, width], normals(4 * width, 1)),
      floats('head', [width, 3], normals(3 * width, 2)),
      floats('scale', [1], [2]),
      floats('unused', [tail], normals(tail, 3)),
      { ...floats('axes', [1], [1]), dataType: 7, rawData: new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]) },
    ],
  };
}

/** The same by way of messages: the slow oracle. */
function keepByMessages(bytes: Uint8Array, outputs: readonly string[]): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, bytes);
  const { node: all, initializer, output, input } = proto.graph!;
  const live = liveNodes(proto.graph!, outputs);
  const isDropped = ({ name }: { name: string }) =>
    initializer.some((one) => one.name === name) && !live.names.has(name);
  proto.graph!.node = all.filter((one) => live.nodes.includes(one));
  proto.graph!.initializer = initializer.filter((one) => !isDropped(one));
  proto.graph!.input = input.filter((one) => !isDropped(one));
  proto.graph!.output = output.filter(({ name }) => outputs.includes(name));
  return toBinary(ModelProtoSchema, proto);
}

describe('a model with some of its outputs alone', () => {
  it.each([
    ['weights before what is left out', 400, 1],
    ['little before what is left out', 2, 5000],
  ])('is what rewriting its messages gives, with %s', (_, width, tail) => {
    for (const isDeclared of [false, true]) {
      const bytes = encodeModel(smallModel({ ...graph(width, tail), initializersAsInputs: isDeclared }));
      for (const outputs of [['features'], ['features', 'logits'], ['score'], ['logits']]) {
        expect(keepOutputs(bytes.slice(), outputs)).toEqual(keepByMessages(bytes, outputs));
      }
    }
  });

  it('computes them as before', async () => {
    const bytes = encodeModel(smallModel(graph(40, 10)));
    const x = normals(8, 5);
    const before = await runModel(bytes, 'x', x, [2, 4]);
    const after = await runModel(keepOutputs(bytes, ['features']), 'x', x, [2, 4]);
    expect(Object.keys(after)).toEqual(['features']);
    expect(after.features).toEqual(before.features);
  });

  it('keeps what inner graphs read of the outer one', async () => {
    const branch = (name: string, inner: NodeProto) => {
      const { proto } = smallModel({ input: [], outputs: ['chosen'], nodes: [inner], initializers: [] });
      const g = { ...proto.graph!, input: [] };
      return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.GRAPH, g });
    };
    const choice = node('If', ['isTrue'], ['features']);
    choice.attribute = [
      branch('then_branch', node('Add', ['x', 'shift'], ['chosen'])),
      branch('else_branch', node('Identity', ['x'], ['chosen'])),
    ];
    const bytes = encodeModel(
      smallModel({
        input: ['N', 4],
        outputs: ['features', 'score'],
        nodes: [
          node('Greater', ['one', 'zero'], ['isTrue']),
          choice,
          node('Mul', ['features', 'weights'], ['score']),
        ],
        initializers: [
          floats('one', [1], [1]),
          floats('zero', [1], [0]),
          floats('shift', [1], [10]),
          floats('weights', [4], [1, 2, 3, 4]),
        ],
      }),
    );
    const kept = keepOutputs(bytes.slice(), ['features']);
    expect(kept).toEqual(keepByMessages(bytes, ['features']));
    expect((await runModel(kept, 'x', Float32Array.of(1, 2, 3, 4), [1, 4])).features).toEqual(
      Float32Array.of(11, 12, 13, 14),
    );
  });

  it('lies in the memory of the whole', () => {
    const bytes = encodeModel(smallModel(graph(40, 10)));
    expect(keepOutputs(bytes, ['features']).buffer).toBe(bytes.buffer);
  });

  it('is the whole where there is nothing to leave out, or an output is not there', () => {
    const bytes = encodeModel(
      smallModel({ ...graph(4, 1), initializers: graph(4, 1).initializers.slice(0, 3) }),
    );
    const kept = keepOutputs(bytes, ['features']);
    expect(keepOutputs(kept, ['features'])).toBe(kept);
    expect(keepOutputs(kept, ['logits'])).toBe(kept);
  });
});

describe('a damaged model', () => {
  const bytes = encodeModel(smallModel(graph(4, 4)));

  /** Nothing but `bad-model` is thrown, and the memory is as it was then. */
  function attempt(damaged: Uint8Array): void {
    const before = damaged.slice();
    try {
      keepOutputs(damaged, ['features']);
    } catch (error) {
      expect(error).toBeInstanceOf(HimplosError);
      expect((error as HimplosError).code).toBe('bad-model');
      expect(damaged).toEqual(before);
    }
  }

  it('is refused at every length', () => {
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.slice(0, length);
      attempt(cut);
    }
    expect(() => keepOutputs(bytes.slice(0, bytes.length >> 1), ['features'])).toThrow(
      'cut short or damaged',
    );
    expect(() => keepOutputs(new Uint8Array(0), ['features'])).toThrow('cut short or damaged');
  });

  it('is refused or used, whatever byte is flipped', () => {
    const random = randomNumbers(7);
    for (let at = 0; at < bytes.length; at++) {
      for (const mask of [0xff, 1 << (random() * 8)]) {
        const flipped = bytes.slice();
        flipped[at]! ^= mask;
        attempt(flipped);
      }
    }
  });

  it('may not nest graphs without end', () => {
    let inner = new Uint8Array(0);
    // node { attribute { graph { … } } }
    for (let i = 0; i < 40; i++) inner = wrap(1, wrap(5, wrap(6, inner)));
    expect(() => keepOutputs(wrap(7, inner), ['features'])).toThrow('nested more than');
  });
});

/** A field of one message. */
function wrap(number: number, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const length: number[] = [];
  let left = message.length;
  for (; left >= 0x80; left >>= 7) length.push((left & 0x7f) | 0x80);
  return Uint8Array.of(number * 8 + 2, ...length, left, ...message);
}
