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

  it('touches nothing around it, wherever it lies', () => {
    const random = randomNumbers(3);
    const upTo = (count: number) => Math.floor(random() * count);
    let cuts = 0;
    for (let round = 0; round < 500; round++) {
      const filling = () => new Uint8Array(upTo(3) === 0 ? upTo(400) : upTo(10));
      const named = (number: number, nameField: number, name: string) =>
        wrap(number, join(wrap(nameField, text(name)), wrap(30, filling())));
      const parts = [
        { isKept: true, bytes: wrap(1, join(wrap(2, text('features')), wrap(30, filling()))) },
        { isKept: true, bytes: named(11, 1, 'x') },
        { isKept: true, bytes: named(12, 1, 'features') },
        ...Array.from({ length: upTo(3) }, () => ({ isKept: true, bytes: named(13, 1, 'anything') })),
        ...Array.from({ length: upTo(4) }, (_, i) => ({ isKept: false, bytes: named(5, 8, `w${i}`) })),
        ...Array.from({ length: upTo(3) }, (_, i) => ({ isKept: false, bytes: named(12, 1, `y${i}`) })),
        ...Array.from({ length: upTo(3) }, (_, i) => ({ isKept: false, bytes: named(1, 2, `y${i}`) })),
      ].sort(() => random() - 0.5);
      const [before, after] = [wrap(20, filling()), wrap(21, filling())];
      const graphOf = (chosen: typeof parts) => wrap(7, join(...chosen.map(({ bytes }) => bytes)));
      const whole = join(before, graphOf(parts), after);
      const wanted = join(before, graphOf(parts.filter(({ isKept }) => isKept)), after);
      const start = upTo(20);
      const buffer = new (upTo(2) === 0 ? ArrayBuffer : SharedArrayBuffer)(start + whole.length + 7);
      const memory = new Uint8Array(buffer).fill(0xee);
      memory.set(whole, start);
      const kept = keepOutputs(memory.subarray(start, start + whole.length), ['features']);
      expect(Buffer.compare(kept, wanted)).toBe(0);
      expect(kept.buffer).toBe(buffer);
      for (const around of [memory.subarray(0, start), memory.subarray(start + whole.length)]) {
        expect(around.every((byte) => byte === 0xee)).toBe(true);
      }
      cuts += Number(kept.length < whole.length);
    }
    expect(cuts).toBeGreaterThan(300);
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

  it('is refused at every length up to the end of its graph', () => {
    const end = bytes.length - toBinary(ModelProtoSchema, onlyOpset).length;
    for (let length = 0; length < end; length++) {
      expect(() => keepOutputs(bytes.slice(0, length), ['features'])).toThrow('cut short or damaged');
    }
    expect(() => keepOutputs(bytes.slice(0, -1), ['features'])).toThrow('cut short or damaged');
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

  it('is refused with two graphs, and with names or nodes that are no messages', () => {
    const graph = wrap(7, wrap(12, wrap(1, text('features'))));
    expect(keepOutputs(graph, ['features'])).toBe(graph);
    const fixed64 = (number: number) => Uint8Array.of(8 * number + 1, 0, 0, 0, 0, 0, 0, 0, 0);
    for (const damaged of [
      join(graph, graph),
      fixed64(7),
      wrap(7, fixed64(1)),
      wrap(7, fixed64(5)),
      wrap(7, fixed64(12)),
      wrap(7, wrap(1, fixed64(1))),
      wrap(7, wrap(1, fixed64(5))),
      wrap(7, wrap(1, wrap(5, fixed64(6)))),
      wrap(7, wrap(12, fixed64(1))),
    ]) {
      expect(() => keepOutputs(damaged, ['features'])).toThrow('cut short or damaged');
    }
  });

  it('may not nest graphs without end, nor have parts without end, but a node may have many inputs', () => {
    let inner = new Uint8Array(0);
    // node { attribute { graph { … } } }
    for (let i = 0; i < 40; i++) inner = wrap(1, wrap(5, wrap(6, inner)));
    expect(() => keepOutputs(wrap(7, inner), ['features'])).toThrow('nested more than');
    const repeated = (count: number, part: Uint8Array) =>
      new Uint8Array(Buffer.concat(new Array(count).fill(part)));
    const inputs = (count: number) => repeated(count, wrap(1, text('x')));
    const sum = (body: Uint8Array) =>
      wrap(7, join(wrap(1, join(body, wrap(2, text('features')))), wrap(12, wrap(1, text('features')))));
    const many = sum(inputs(300_000));
    expect(keepOutputs(many, ['features'])).toBe(many);
    expect(() => keepOutputs(sum(inputs(1_000_001)), ['features'])).toThrow('more than');
    const nested = wrap(5, wrap(6, repeated(300_000, wrap(1, inputs(1)))));
    const wide = sum(nested);
    expect(keepOutputs(wide, ['features'])).toBe(wide);
  });

  it('keeps what is an output of an inner graph', () => {
    const inner = wrap(5, wrap(6, wrap(12, wrap(1, text('w')))));
    const weight = wrap(5, wrap(8, text('w')));
    const whole = wrap(
      7,
      join(wrap(1, join(inner, wrap(2, text('features')))), weight, wrap(12, wrap(1, text('features')))),
    );
    expect(keepOutputs(whole, ['features'])).toBe(whole);
  });

  it('takes the last of two names, as decoders do', () => {
    const weight = wrap(5, join(wrap(8, text('dead')), wrap(8, text('w'))));
    const node = wrap(1, join(wrap(1, text('w')), wrap(2, text('features'))));
    const whole = wrap(7, join(node, weight, wrap(12, join(wrap(1, text('x')), wrap(1, text('features'))))));
    expect(keepOutputs(whole, ['features'])).toBe(whole);
  });

  it('takes outputs and inputs that are left out for what they are', () => {
    const unnamed = new Uint8Array(0);
    // A node whose first output is left out does not compute what another leaves out as its input.
    const node = (inputs: Uint8Array, outputs: Uint8Array) =>
      wrap(1, join(wrap(1, inputs), wrap(2, outputs)));
    const dead = join(node(text('w'), unnamed), wrap(5, wrap(8, text('w'))));
    const whole = wrap(7, join(dead, node(unnamed, text('features')), wrap(12, wrap(1, text('features')))));
    expect(Buffer.from(keepOutputs(whole, ['features']))).toEqual(
      Buffer.from(wrap(7, join(node(unnamed, text('features')), wrap(12, wrap(1, text('features')))))),
    );
  });
});

const onlyOpset = create(ModelProtoSchema, { opsetImport: smallModel(graph(4, 4)).proto.opsetImport });

function text(characters: string): Uint8Array {
  return new TextEncoder().encode(characters);
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

/** A field of one message. */
function wrap(number: number, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const length: number[] = [];
  let left = message.length;
  for (; left >= 0x80; left >>= 7) length.push((left & 0x7f) | 0x80);
  // Field numbers up to 15 have tags of one byte.
  const tag = number < 16 ? [8 * number + 2] : [((8 * number + 2) & 0x7f) | 0x80, (8 * number + 2) >> 7];
  return join(Uint8Array.of(...tag, ...length, left), message);
}
