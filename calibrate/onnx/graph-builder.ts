import type { GraphBuilder, GraphValue } from '../../shared/methods/contract.ts';
import type { Tensor } from '../../shared/tensor.ts';
import type { GraphProto, TensorProto } from './onnx_pb.ts';
import { TensorProto_DataType as TYPE } from './onnx_pb.ts';
import { type AttributeValue, makeInt64, makeNode, makeTensor } from './proto-parts.ts';
import { newName, type TappedGraph } from './tapped-graph.ts';

/**
 * The first opset in which an operator has the form that methods write: a bit above the one that introduced it where
 * inputs replaced attributes or float64 came later. Anything not listed is taken to need DEFAULT_SINCE.
 */
const SINCE: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    [
      'Abs Add ArgMax ArgMin Cast Concat Constant Div Equal Exp Expand Flatten Gather Gemm Greater Identity IsNaN Less',
      'Log LogSoftmax MatMul Max Min Mul Neg Not Or And Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax',
      'ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Shape Sigmoid Sign Softmax Sqrt Squeeze Sub',
      'Transpose Unsqueeze Where',
    ].flatMap((line) => line.split(' ').map((type) => [type, 9])),
  ),
  Pow: 12,
  Clip: 12,
  CumSum: 11,
  GatherElements: 11,
  OneHot: 11,
  Pad: 11,
  Range: 11,
  Round: 11,
  ScatterElements: 11,
  Slice: 10,
  TopK: 11,
  GatherND: 12,
  GreaterOrEqual: 12,
  LessOrEqual: 12,
  Trilu: 14,
};
const DEFAULT_SINCE = 13;

/** Operators whose `axes` moved from an attribute to an input, and the opset in which they did. */
const AXES_BECAME_INPUT: Readonly<Record<string, number>> = {
  ReduceSum: 13,
  Squeeze: 13,
  Unsqueeze: 13,
  ReduceL1: 18,
  ReduceL2: 18,
  ReduceLogSum: 18,
  ReduceLogSumExp: 18,
  ReduceMax: 18,
  ReduceMean: 18,
  ReduceMin: 18,
  ReduceProd: 18,
  ReduceSumSquare: 18,
};

/** The opset from which all of these operators have the form that methods write. */
export function opsetNeeded(opTypes: Iterable<string>): number {
  let needed = 9;
  for (const type of opTypes) needed = Math.max(needed, SINCE[type] ?? DEFAULT_SINCE);
  return needed;
}

/**
 * Writes nodes and initialisers to the end of a tapped graph, in the form that `opset` wants: methods give `axes` as
 * an attribute, which becomes an input where the opset has it there. An initialiser that is in the graph already,
 * the head's weights for one, is used again instead of stored twice.
 */
export function createGraphBuilder(tapped: TappedGraph, opset: number): GraphBuilder {
  const stored = initializersByType(tapped.graph);
  for (const tensor of tapped.initializers) remember(stored, tensor);

  function store(type: number, shape: readonly number[], data: ArrayBufferView): GraphValue {
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    const same = stored.get(typeKey(type, shape))?.find(({ rawData }) => equalBytes(rawData, bytes));
    if (same !== undefined) return same.name;
    const tensor = makeTensor(newName(tapped, `constant_${tapped.initializers.length}`), type, shape, data);
    tapped.initializers.push(tensor);
    remember(stored, tensor);
    return tensor.name;
  }

  function add(
    type: string,
    inputs: readonly GraphValue[],
    outputs: number,
    attributes: Readonly<Record<string, AttributeValue>>,
  ): GraphValue[] {
    const { axes, ...others } = attributes;
    const asInput = axes !== undefined && opset >= (AXES_BECAME_INPUT[type] ?? Number.POSITIVE_INFINITY);
    const list = typeof axes === 'object' ? axes : [Number(axes)];
    const given = asInput
      ? [...inputs, store(TYPE.INT64, [list.length], makeInt64('', list).rawData)]
      : inputs;
    const names = Array.from({ length: outputs }, () => newName(tapped, `${type}_${tapped.nodes.length}`));
    tapped.nodes.push(makeNode(type, given, names, asInput ? others : attributes));
    return names;
  }

  return {
    op: (type, inputs, attributes = {}) => add(type, inputs, 1, attributes)[0]!,
    ops: (type, inputs, outputs, attributes = {}) => add(type, inputs, outputs, attributes),
    constant: ({ dtype, data, shape }: Tensor, asBool = false) =>
      store(asBool ? TYPE.BOOL : ELEMENT_TYPES[dtype], shape, data),
  };
}

const ELEMENT_TYPES = { F32: TYPE.FLOAT, F64: TYPE.DOUBLE, I32: TYPE.INT32, I64: TYPE.INT64, U8: TYPE.UINT8 };

type Stored = Map<string, TensorProto[]>;

/** A graph's initialisers that nobody can override: those that are inputs as well are left out. */
function initializersByType(graph: GraphProto): Stored {
  const inputs = new Set(graph.input.map(({ name }) => name));
  const stored: Stored = new Map();
  for (const tensor of graph.initializer) {
    if (!inputs.has(tensor.name) && tensor.rawData.length > 0) remember(stored, tensor);
  }
  return stored;
}

function remember(stored: Stored, tensor: TensorProto): void {
  const key = typeKey(tensor.dataType, tensor.dims.map(Number));
  stored.set(key, [...(stored.get(key) ?? []), tensor]);
}

function typeKey(type: number, shape: readonly number[]): string {
  return `${type}:${shape.join(',')}`;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
