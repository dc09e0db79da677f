import { describe, expect, it } from 'vitest';
import { cutAtHead } from '../../../calibrate/onnx/cut-at-head.ts';
import { type FoundHead, findHead } from '../../../calibrate/onnx/find-head.ts';
import {
  AttributeProto_AttributeType,
  TensorProto_DataType as TYPE,
} from '../../../calibrate/onnx/onnx_pb.ts';
import { makeInt64, makeNode, makeTensor } from '../../../calibrate/onnx/proto-parts.ts';
import { encodeModel, floats, normals, type SmallGraph, smallModel, transpose } from './build-model.ts';
import { largestDifference, runModel } from './run-model.ts';

const C = 3;
const L = 4;
const N = 2;
const W = normals(C * L, 1); // C × L
const B = normals(C, 2);
const weightRows = floats('w', [C, L], W);
const weightColumns = floats('w', [L, C], transpose(W, C, L));
const bias = floats('b', [C], B);
const half = new Uint8Array(new Float16Array(W).buffer);

interface Style {
  readonly name: string;
  readonly graph: SmallGraph;
  /** Shape of the input that is run; [N, L] unless given. */
  readonly dims?: readonly number[];
  readonly finds?: Partial<Omit<FoundHead, 'head'>>;
  /** Scale of the weights and of the bias found, where not 1 and 1. */
  readonly scales?: readonly [weight: number, bias: number];
  /** How far the weights found, and W·h + b, may be from the weights before rounding and the graph's own output. */
  readonly tolerance?: number;
  /** The same for the logits alone, where the graph rounds the weights before it uses them. */
  readonly logitTolerance?: number;
}

const flat = { input: ['N', L], outputs: ['y'] } as const;
const spatial = { input: ['N', L, 3, 3], outputs: ['y'] } as const;
const spatialDims = [N, L, 3, 3];
const node = makeNode;

const STYLES: readonly Style[] = [
  {
    name: 'Gemm with weights by rows, α and β',
    graph: {
      ...flat,
      nodes: [node('Gemm', ['x', 'w', 'b'], ['y'], { transB: 1, alpha: 0.5, beta: 2 })],
      initializers: [weightRows, bias],
    },
    finds: { headKind: 'Gemm', headInput: 'x', logits: 'y', flatten: 'flatten', exactLogits: true },
    scales: [0.5, 2],
  },
  {
    name: 'Gemm with weights by columns and no bias',
    graph: { ...flat, nodes: [node('Gemm', ['x', 'w'], ['y'])], initializers: [weightColumns] },
    finds: { headKind: 'Gemm' },
    scales: [1, 0],
  },
  {
    name: 'Gemm over samples in columns',
    graph: {
      ...flat,
      nodes: [
        node('Transpose', ['x'], ['columns'], { perm: [1, 0] }),
        node('Gemm', ['columns', 'w', 'b'], ['y'], { transA: 1, transB: 1 }),
      ],
      initializers: [weightRows, bias],
    },
    finds: { headInput: 'columns', flatten: 'transpose', exactLogits: true },
  },
  {
    name: 'MatMul and Add, then softmax (TensorFlow)',
    graph: {
      ...flat,
      outputs: ['p'],
      nodes: [
        node('MatMul', ['x', 'w'], ['product']),
        node('Add', ['product', 'b'], ['y']),
        node('Softmax', ['y'], ['p'], { axis: -1 }),
      ],
      initializers: [weightColumns, bias],
    },
    finds: { headKind: 'MatMul', logits: 'y', softmaxOutput: true, output: 'p' },
  },
  {
    name: 'MatMul of one token and the bias added first (PyTorch transformers)',
    graph: {
      ...flat,
      nodes: [
        node('Unsqueeze', ['x', 'one'], ['token']),
        node('MatMul', ['token', 'w'], ['product']),
        node('Add', ['b', 'product'], ['sum']),
        node('Squeeze', ['sum', 'one'], ['y']),
      ],
      initializers: [weightColumns, bias, makeInt64('one', [1])],
    },
    finds: { headInput: 'token', logits: 'sum', exactLogits: true },
  },
  {
    name: 'MatMul with the weights on the left, transposed afterwards',
    graph: {
      ...flat,
      nodes: [
        node('Transpose', ['x'], ['columns'], { perm: [1, 0] }),
        node('MatMul', ['w', 'columns'], ['product']),
        node('Add', ['product', 'b'], ['sum']),
        node('Transpose', ['sum'], ['y'], { perm: [1, 0] }),
      ],
      initializers: [weightRows, floats('b', [C, 1], B)],
    },
    finds: { flatten: 'transpose', exactLogits: false },
  },
  {
    name: 'MatMul with the weights on the left of column vectors',
    graph: {
      ...flat,
      nodes: [
        node('Unsqueeze', ['x', 'two'], ['columns']),
        node('MatMul', ['w', 'columns'], ['product']),
        node('Add', ['product', 'b'], ['sum']),
        node('Squeeze', ['sum', 'two'], ['y']),
      ],
      initializers: [weightRows, floats('b', [C, 1], B), makeInt64('two', [2])],
    },
    finds: { flatten: 'flatten', exactLogits: true },
  },
  {
    name: '1×1 Conv behind pooling',
    graph: {
      ...spatial,
      nodes: [
        node('GlobalAveragePool', ['x'], ['pooled']),
        node('Conv', ['pooled', 'w', 'b'], ['maps'], { kernel_shape: [1, 1] }),
        node('Flatten', ['maps'], ['y']),
      ],
      initializers: [floats('w', [C, L, 1, 1], W), bias],
    },
    dims: spatialDims,
    finds: { headKind: 'Conv', flatten: 'flatten', logits: 'maps' },
  },
  {
    name: '1×1 Conv before pooling, its bias added as a map',
    graph: {
      ...spatial,
      nodes: [
        node('Conv', ['x', 'w'], ['maps'], { kernel_shape: [1, 1], pads: [0, 0, 0, 0], strides: [1, 1] }),
        node('Add', ['maps', 'b'], ['biased']),
        node('GlobalAveragePool', ['biased'], ['pooled']),
        node('Reshape', ['pooled', 'shape'], ['y']),
      ],
      initializers: [floats('w', [C, L, 1, 1], W), floats('b', [1, C, 1, 1], B), makeInt64('shape', [-1, C])],
    },
    dims: spatialDims,
    finds: { headKind: 'Conv', flatten: 'pool', logits: 'pooled' },
  },
  {
    name: 'weights from Constant nodes through Identity and Transpose',
    graph: {
      ...flat,
      nodes: [
        constantNode('stored', weightRows),
        node('Identity', ['stored'], ['same']),
        node('Transpose', ['same'], ['turned'], { perm: [1, 0] }),
        node('MatMul', ['x', 'turned'], ['product']),
        node('Identity', ['b'], ['b2']),
        node('Add', ['product', 'b2'], ['sum']),
        node('Identity', ['sum'], ['y']),
      ],
      initializers: [bias],
    },
    finds: { logits: 'sum' },
  },
  {
    name: 'float16 weights cast to float32',
    graph: {
      ...flat,
      nodes: [
        node('Cast', ['half'], ['w'], { to: TYPE.FLOAT }),
        node('Gemm', ['x', 'w', 'b'], ['y'], { transB: 1 }),
      ],
      initializers: [makeTensor('half', TYPE.FLOAT16, [C, L], half), bias],
    },
    finds: { exactLogits: true },
    tolerance: 1e-2, // against the weights before rounding
  },
  {
    name: 'a head in float16',
    graph: {
      ...flat,
      nodes: [
        node('Cast', ['x'], ['h'], { to: TYPE.FLOAT16 }),
        node('Gemm', ['h', 'w', 'b'], ['low'], { transB: 1 }),
        node('Cast', ['low'], ['y'], { to: TYPE.FLOAT }),
      ],
      initializers: [
        makeTensor('w', TYPE.FLOAT16, [C, L], half),
        makeTensor('b', TYPE.FLOAT16, [C], new Uint8Array(new Float16Array(B).buffer)),
      ],
    },
    finds: { headInput: 'h', logits: 'low', exactLogits: false },
    tolerance: 1e-2,
  },
  {
    name: 'quantised weights, one scale a class, and quantised activations around them',
    graph: {
      ...flat,
      nodes: [
        node('DequantizeLinear', ['q', 'scales', 'zeros'], ['w'], { axis: 0 }),
        node('QuantizeLinear', ['x', 'xs', 'xz'], ['xq']),
        node('DequantizeLinear', ['xq', 'xs', 'xz'], ['h']),
        node('Gemm', ['h', 'w', 'b'], ['sum'], { transB: 1 }),
        node('QuantizeLinear', ['sum', 'xs', 'xz'], ['yq']),
        node('DequantizeLinear', ['yq', 'xs', 'xz'], ['y']),
      ],
      initializers: [
        makeTensor(
          'q',
          TYPE.INT8,
          [C, L],
          Int8Array.from(W, (w, i) => Math.round(w / (0.03 + 0.01 * Math.floor(i / L)))),
        ),
        floats('scales', [C], [0.03, 0.04, 0.05]),
        makeTensor('zeros', TYPE.INT8, [C], new Int8Array(C)),
        floats('xs', [], [0.05]),
        makeTensor('xz', TYPE.UINT8, [], Uint8Array.of(128)),
        bias,
      ],
    },
    finds: { headInput: 'h', logits: 'sum', exactLogits: true },
    tolerance: 0.1,
  },
  {
    name: 'float weights rounded to eight bits in the graph (quantisation-aware training)',
    graph: {
      ...flat,
      nodes: [
        node('QuantizeLinear', ['w', 's', 'z'], ['wq'], { axis: 0 }),
        node('DequantizeLinear', ['wq', 's', 'z'], ['wr'], { axis: 0 }),
        node('Gemm', ['x', 'wr', 'b'], ['y'], { transB: 1 }),
      ],
      initializers: [
        weightRows,
        bias,
        floats('s', [C], [0.03, 0.04, 0.05]),
        makeTensor('z', TYPE.UINT8, [C], Uint8Array.of(120, 128, 136)),
      ],
    },
    finds: { exactLogits: true },
    tolerance: 0.03,
    logitTolerance: 1e-5,
  },
  {
    name: 'bfloat16 weights cast to float32',
    graph: {
      ...flat,
      nodes: [
        node('Cast', ['brain'], ['w'], { to: TYPE.FLOAT }),
        node('Gemm', ['x', 'w', 'b'], ['y'], { transB: 1 }),
      ],
      initializers: [makeTensor('brain', TYPE.BFLOAT16, [C, L], upperHalves(W)), bias],
    },
    tolerance: 0.02,
    logitTolerance: 1e-5,
  },
  {
    name: 'a head in float64',
    graph: {
      ...flat,
      nodes: [
        node('Cast', ['x'], ['h'], { to: TYPE.DOUBLE }),
        node('Gemm', ['h', 'w', 'b'], ['wide'], { transB: 1 }),
        node('Cast', ['wide'], ['y'], { to: TYPE.FLOAT }),
      ],
      initializers: [
        makeTensor('w', TYPE.DOUBLE, [C, L], Float64Array.from(W)),
        makeTensor('b', TYPE.DOUBLE, [C], Float64Array.from(B)),
      ],
    },
    finds: { headInput: 'h', exactLogits: false },
  },
  {
    name: 'a bias that follows quantised products',
    graph: {
      ...flat,
      nodes: [
        node('MatMul', ['x', 'w'], ['product']),
        node('QuantizeLinear', ['product', 's', 'z'], ['q']),
        node('DequantizeLinear', ['q', 's', 'z'], ['rounded']),
        node('Add', ['rounded', 'b'], ['y']),
      ],
      initializers: [
        weightColumns,
        bias,
        floats('s', [], [0.05]),
        makeTensor('z', TYPE.UINT8, [], Uint8Array.of(128)),
      ],
    },
    finds: { logits: 'y', exactLogits: false },
    tolerance: 0.1,
  },
  {
    name: 'initialisers that are inputs as well (IR version 3), log-softmax and dropout',
    graph: {
      ...flat,
      opset: 9,
      irVersion: 3,
      initializersAsInputs: true,
      outputs: ['p'],
      nodes: [
        node('Dropout', ['x'], ['kept']),
        node('Gemm', ['kept', 'w', 'b'], ['y'], { transB: 1 }),
        node('LogSoftmax', ['y'], ['p'], { axis: 1 }),
      ],
      initializers: [weightRows, bias],
    },
    finds: { softmaxOutput: true, headInput: 'kept' },
  },
];

describe('finding and cutting the head, however it was exported', () => {
  it.each(STYLES)(
    '$name',
    async ({
      graph,
      dims = [N, L],
      finds = {},
      scales = [1, 1],
      tolerance = 1e-5,
      logitTolerance = tolerance,
    }) => {
      const model = smallModel(graph);
      const found = findHead(model);
      expect(found).toMatchObject(finds);
      expect(found.head).toMatchObject({ classes: C, width: L });
      expect(
        largestDifference(
          found.head.weight,
          W.map((w) => w * scales[0]),
        ),
      ).toBeLessThanOrEqual(tolerance);
      expect(
        largestDifference(
          found.head.bias,
          B.map((b) => b * scales[1]),
        ),
      ).toBeLessThanOrEqual(tolerance);

      const x = normals(
        dims.reduce((a, b) => a * b),
        3,
      );
      const cut = await runModel(cutAtHead(model, found), found.feed, x, dims);
      expect(cut.features).toBeInstanceOf(Float32Array);
      const logits = linear(found, cut.features as Float32Array);
      expect(largestDifference(cut.logits!, logits)).toBeLessThan(1e-5);
      if (!found.softmaxOutput) {
        const { y } = await runModel(encodeModel(model), 'x', x, dims);
        expect(largestDifference(logits, y!)).toBeLessThanOrEqual(logitTolerance);
      }
      const named = findHead(model, { headInput: found.headInput });
      expect(named.head).toEqual(found.head);
      expect([named.logits, named.flatten, named.exactLogits]).toEqual([
        found.logits,
        found.flatten,
        found.exactLogits,
      ]);
    },
  );
});

function linear({ head }: FoundHead, features: Float32Array): Float64Array {
  return Float64Array.from({ length: (features.length / L) * C }, (_, i) => {
    const row = Math.floor(i / C) * L;
    let sum = head.bias[i % C]!;
    for (let l = 0; l < L; l++) sum += head.weight[(i % C) * L + l]! * features[row + l]!;
    return sum;
  });
}

function constantNode(output: string, t: typeof weightRows) {
  const constant = node('Constant', [], [output], { value: 0 });
  Object.assign(constant.attribute[0]!, { type: AttributeProto_AttributeType.TENSOR, t });
  return constant;
}

/** float32 as bfloat16, cut off instead of rounded. */
function upperHalves(values: Float32Array): Uint16Array {
  return Uint16Array.from(
    new Uint32Array(values.buffer, values.byteOffset, values.length),
    (bits) => bits >>> 16,
  );
}
