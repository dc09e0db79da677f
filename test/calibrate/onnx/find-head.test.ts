import { describe, expect, it } from 'vitest';
import { cutAtHead } from '../../../calibrate/onnx/cut-at-head.ts';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { TensorProto_DataType as TYPE } from '../../../calibrate/onnx/onnx_pb.ts';
import { makeNode as node } from '../../../calibrate/onnx/proto-parts.ts';
import type { OnnxModel } from '../../../calibrate/onnx/read-model.ts';
import { HimplosError } from '../../../shared/errors.ts';
import { floats, normals, smallModel } from './build-model.ts';
import { runModel } from './run-model.ts';

const w1 = floats('w1', [3, 4], normals(12, 1));
const w2 = floats('w2', [5, 4], normals(20, 2));
const flat = { input: ['N', 4], outputs: ['y'] } as const;

describe('choosing among outputs', () => {
  const nodes = [
    node('Relu', ['x'], ['h']),
    node('Gemm', ['h', 'w1'], ['first'], { transB: 1 }),
    node('Gemm', ['h', 'w2'], ['second'], { transB: 1 }),
    node('Identity', ['second'], ['class_logits']),
  ];
  const initializers = [w1, w2];

  it('takes the first that leads to a head and says what it passed over', () => {
    const found = findHead(smallModel({ ...flat, nodes, initializers, outputs: ['h', 'first', 'second'] }));
    expect(found).toMatchObject({ output: 'first', passedOver: ['second'], headNode: 'himplos/first' });
  });

  it('prefers one whose name says logits', () => {
    const found = findHead(smallModel({ ...flat, nodes, initializers, outputs: ['first', 'class_logits'] }));
    expect(found).toMatchObject({ output: 'class_logits', passedOver: ['first'], head: { classes: 5 } });
  });

  it('leaves out of the cut graph what the head does not need', async () => {
    const model = smallModel({ ...flat, nodes, initializers, outputs: ['first', 'second'] });
    const cut = cutAtHead(model, findHead(model));
    const text = new TextDecoder('latin1').decode(cut);
    expect([text.includes('w1'), text.includes('w2')]).toEqual([true, false]);
    const x = normals(8, 3);
    const { features, ...others } = await runModel(cut, 'x', x, [2, 4]);
    expect(features).toEqual(x.map((value) => Math.max(0, value)));
    expect(Object.keys(others)).toEqual(['logits']);
  });
});

describe('tensors of the user that are called like our outputs', () => {
  it('are renamed, the input too', async () => {
    const nodes = [
      node('Relu', ['features'], ['score']),
      node('Gemm', ['score', 'is_ood'], ['cosine'], { transB: 1 }),
    ];
    const model = smallModel({
      input: ['N', 4],
      nodes,
      initializers: [floats('is_ood', [3, 4], normals(12, 1))],
      outputs: ['cosine'],
    });
    model.proto.graph!.input[0]!.name = 'features';
    const found = findHead(model);
    expect([found.input.name, found.feed]).toEqual(['features', 'features_1']);
    const { features } = await runModel(
      cutAtHead(model, found),
      found.feed,
      Float32Array.of(1, -1, 2, -2),
      [1, 4],
    );
    expect(features).toEqual(Float32Array.of(1, 0, 2, 0));
  });
});

describe('the batch size', () => {
  it('is reported where the model fixes it', () => {
    const nodes = [node('Gemm', ['x', 'w1'], ['y'], { transB: 1 })];
    const found = (batch: number | string) =>
      findHead(smallModel({ ...flat, input: [batch, 4], nodes, initializers: [w1] }));
    expect([found(8).fixedBatch, found('N').fixedBatch]).toEqual([8, null]);
  });
});

describe('a model without a usable head', () => {
  const cases: [name: string, model: OnnxModel, message: RegExp][] = [
    [
      'names the nodes back from the output',
      smallModel({
        ...flat,
        nodes: [
          node('Gemm', ['x', 'w1'], ['g'], { transB: 1 }),
          node('Sigmoid', ['g'], ['s']),
          node('Identity', ['s'], ['y']),
        ],
        initializers: [w1],
      }),
      /Sigmoid .* is not a step .*seen: Identity "himplos\/y" ← Sigmoid "himplos\/s" ← Gemm "himplos\/g"/,
    ],
    [
      'whose weights are computed',
      smallModel({ ...flat, nodes: [node('MatMul', ['x', 'x'], ['y'])], initializers: [] }),
      /weights that are computed at run time/,
    ],
    [
      'whose convolution has a window',
      smallModel({
        ...flat,
        input: ['N', 4, 3, 3],
        nodes: [node('Conv', ['x', 'k'], ['y'])],
        initializers: [floats('k', [3, 4, 3, 3], normals(108, 1))],
      }),
      /window of 3×3/,
    ],
    [
      'with a single class',
      smallModel({
        ...flat,
        nodes: [node('Gemm', ['x', 'k'], ['y'], { transB: 1 })],
        initializers: [floats('k', [1, 4], normals(4, 1))],
      }),
      /two classes are the least/,
    ],
    [
      'with weights that are not finite',
      smallModel({
        ...flat,
        nodes: [node('Gemm', ['x', 'k'], ['y'], { transB: 1 })],
        initializers: [floats('k', [3, 4], normals(12, 1).fill(Number.NaN, 5, 6))],
      }),
      /not finite/,
    ],
    [
      'that goes round in a circle',
      smallModel({
        ...flat,
        nodes: [node('Identity', ['z'], ['y']), node('Identity', ['y'], ['z'])],
        initializers: [],
      }),
      /no linear layer within/,
    ],
    [
      'whose weights do not fit their shape',
      smallModel({
        ...flat,
        nodes: [node('Gemm', ['x', 'k'], ['y'], { transB: 1 })],
        initializers: [floats('k', [3, 5], normals(12, 1))],
      }),
      /expected 15 values for its shape, got data for 12/,
    ],
  ];

  it.each(cases)('%s', (_name, model, message) => {
    const error = failure(() => findHead(model));
    expect(error.code).toBe('bad-model');
    expect(error.message).toMatch(message);
  });

  it('hints at --head-input', () => {
    const [, model] = cases[0]!;
    expect(failure(() => findHead(model)).hint).toMatch(/--head-input TENSOR/);
  });
});

describe('naming the head by hand', () => {
  const model = smallModel({
    ...flat,
    nodes: [
      node('Relu', ['x'], ['h']),
      node('Flatten', ['h'], ['f']),
      node('MatMul', ['f', 'w'], ['product']),
      node('Add', ['product', 'b'], ['logits']),
      node('Sigmoid', ['logits'], ['y']),
    ],
    initializers: [floats('w', [4, 3], normals(12, 1)), floats('b', [3], [1, 2, 3])],
  });

  it.each(['h', 'f'])('finds the layer behind %s where the search cannot', (headInput) => {
    const { head, ...found } = findHead(model, { headInput });
    expect(found).toMatchObject({ headInput: 'f', logits: 'logits', exactLogits: true });
    expect([...head.bias]).toEqual([1, 2, 3]);
  });

  it('refuses a tensor that the model does not have', () => {
    const error = failure(() => findHead(model, { headInput: 'nonsense' }));
    expect(error).toMatchObject({ code: 'bad-usage' });
    expect(error.message).toMatch(/"nonsense".*the last ones are "f", "product", "logits", "y"/);
  });

  it('refuses a tensor that enters no linear layer', () => {
    const error = failure(() => findHead(model, { headInput: 'product' }));
    expect(error).toMatchObject({ code: 'bad-model' });
    expect(error.message).toMatch(/it goes into Add "himplos\/logits"/);
  });
});

describe('a model with two inputs', () => {
  it('is refused by name', () => {
    const model = smallModel({
      ...flat,
      nodes: [node('Mul', ['x', 'mask'], ['h']), node('Gemm', ['h', 'w1'], ['y'], { transB: 1 })],
      initializers: [w1],
    });
    const [mask] = smallModel({ ...flat, nodes: [], initializers: [] }).proto.graph!.input;
    model.proto.graph!.input.push(Object.assign(mask!, { name: 'mask' }));
    const error = failure(() => findHead(model));
    expect(error).toMatchObject({ code: 'unsupported' });
    expect(error.message).toMatch(/one input, got "x", "mask"/);
  });
});

it('describes an input of half precision', () => {
  const model = smallModel({
    ...flat,
    inputType: TYPE.FLOAT16,
    nodes: [node('Cast', ['x'], ['h'], { to: TYPE.FLOAT }), node('Gemm', ['h', 'w1'], ['y'], { transB: 1 })],
    initializers: [w1],
  });
  expect(findHead(model).input).toEqual({ name: 'x', elementType: 'float16', shape: [null, 4] });
});

function failure(run: () => unknown): HimplosError {
  try {
    run();
  } catch (error) {
    if (error instanceof HimplosError) return error;
    throw error;
  }
  throw new Error('expected a HimplosError');
}
