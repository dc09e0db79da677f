import { badModel } from './bad-model.ts';
import {
  attribute,
  describeNode,
  type GraphIndex,
  intAttribute,
  intsAttribute,
  operator,
} from './graph-index.ts';
import { type NodeProto, TensorProto_DataType as TYPE } from './onnx_pb.ts';
import { dequantize, quantize } from './quantization.ts';
import { type Constant, tensorValues } from './tensor-values.ts';

/** Longest chain of nodes between an initialiser and the layer that uses it. */
const MAX_CHAIN = 16;

/**
 * The value of a tensor that does not depend on the graph's inputs: an initialiser, a Constant node, or either of
 * them through Identity, Transpose, Cast between float types, Reshape and its kin, QuantizeLinear and
 * DequantizeLinear. Undefined for anything else, and for a constant without elements, so that no size of a shape
 * exceeds the number of values there are.
 * Throws `bad-model` for a constant whose data do not fit its shape, `unsupported` for element types not read.
 */
export function constantValue(index: GraphIndex, name: string, depth = 0): Constant | undefined {
  if (index.constants.has(name)) return index.constants.get(name);
  if (depth > MAX_CHAIN) return undefined;
  const constant = evaluate(index, name, depth);
  const usable = constant !== undefined && isWhole(constant) ? constant : undefined;
  index.constants.set(name, usable);
  return usable;
}

function isWhole({ shape, values }: Constant): boolean {
  const elements = shape.reduce((product, size) => product * size, 1);
  return elements === values.length && shape.every((size) => size > 0 && Number.isInteger(size));
}

function evaluate(index: GraphIndex, name: string, depth: number): Constant | undefined {
  const tensor = index.initializer.get(name);
  if (tensor !== undefined) return tensorValues(tensor);
  const node = index.producer.get(name);
  if (node === undefined) return undefined;
  const input = (i: number) =>
    node.input[i] === undefined || node.input[i] === ''
      ? undefined
      : constantValue(index, node.input[i], depth + 1);
  switch (operator(node)) {
    case 'Constant':
      return constantNode(node);
    case 'Identity':
    case 'Dropout':
      return input(0);
    case 'Cast':
      return castFloat(input(0), intAttribute(node, 'to', TYPE.FLOAT));
    case 'Transpose':
      return transposed(node, input(0));
    case 'Reshape':
      return reshaped(input(0), input(1));
    case 'Flatten':
      return flattened(input(0), intAttribute(node, 'axis', 1));
    case 'Squeeze':
    case 'Unsqueeze':
      return withoutOnes(node, input);
    case 'QuantizeLinear':
      return applyQuantization(node, input, quantize);
    case 'DequantizeLinear':
      return applyQuantization(node, input, dequantize);
    default:
      return undefined;
  }
}

function constantNode(node: NodeProto): Constant | undefined {
  const tensor = attribute(node, 'value')?.t;
  if (tensor !== undefined) return tensorValues(tensor);
  const float = attribute(node, 'value_float');
  if (float !== undefined) return { shape: [], type: TYPE.FLOAT, values: Float32Array.of(float.f) };
  const floats = attribute(node, 'value_floats')?.floats;
  if (floats !== undefined) {
    return { shape: [floats.length], type: TYPE.FLOAT, values: Float32Array.from(floats) };
  }
  const int = attribute(node, 'value_int');
  if (int !== undefined) return { shape: [], type: TYPE.INT64, values: Float64Array.of(Number(int.i)) };
  const ints = attribute(node, 'value_ints')?.ints;
  if (ints !== undefined) {
    return { shape: [ints.length], type: TYPE.INT64, values: Float64Array.from(ints, Number) };
  }
  return undefined;
}

const FLOATS: readonly number[] = [TYPE.FLOAT, TYPE.DOUBLE, TYPE.FLOAT16, TYPE.BFLOAT16];

function castFloat(constant: Constant | undefined, to: number): Constant | undefined {
  if (constant === undefined || constant.type === to) return constant;
  if (!FLOATS.includes(constant.type) || !FLOATS.includes(to)) return undefined;
  if (to === TYPE.DOUBLE) return { ...constant, type: to, values: Float64Array.from(constant.values) };
  if (to === TYPE.FLOAT) return { ...constant, type: to, values: Float32Array.from(constant.values) };
  if (to === TYPE.FLOAT16) {
    return { ...constant, type: to, values: Float32Array.from(Float16Array.from(constant.values)) };
  }
  return undefined; // rounding to bfloat16 is left to the runtime: nobody stores a head that way round
}

/** A transposition of a matrix; other permutations count when they only move axes of length 1. */
function transposed(node: NodeProto, constant: Constant | undefined): Constant | undefined {
  if (constant === undefined) return undefined;
  const { shape } = constant;
  const order = intsAttribute(node, 'perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  const valid = order.length === shape.length && new Set(order).size === shape.length;
  if (!valid || order.some((axis) => !(axis >= 0 && axis < shape.length))) {
    throw badModel(
      `${describeNode(node)}: perm [${order.join(', ')}] is no permutation of ${shape.length} axes`,
    );
  }
  const newShape = order.map((axis) => shape[axis]!);
  const long = order.filter((axis) => shape[axis] !== 1);
  if (long.every((axis, i) => i === 0 || axis > long[i - 1]!)) return { ...constant, shape: newShape };
  if (long.length !== 2) return undefined;
  const rows = shape[long[1]!]!;
  const columns = shape[long[0]!]!;
  return { ...constant, shape: newShape, values: transposeMatrix(constant.values, rows, columns) };
}

/** The transpose of a rows × columns matrix in C order, in an array of the same kind. */
export function transposeMatrix<T extends Constant['values']>(matrix: T, rows: number, columns: number): T {
  const result = matrix.slice() as T;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = matrix[row * columns + column]!;
    }
  }
  return result;
}

function reshaped(constant: Constant | undefined, wanted: Constant | undefined): Constant | undefined {
  if (constant === undefined || wanted === undefined) return undefined;
  const shape = Array.from(wanted.values, (size, axis) => (size === 0 ? (constant.shape[axis] ?? 0) : size));
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const free = shape.indexOf(-1);
  if (free >= 0) shape[free] = constant.values.length / known;
  return { ...constant, shape };
}

function flattened(constant: Constant | undefined, axis: number): Constant | undefined {
  if (constant === undefined) return undefined;
  const at = axis < 0 ? axis + constant.shape.length : axis;
  const rows = constant.shape.slice(0, at).reduce((product, size) => product * size, 1);
  return rows === 0 ? undefined : { ...constant, shape: [rows, constant.values.length / rows] };
}

/** Squeeze and Unsqueeze; the axes stand in an attribute before opset 13 and in an input since. */
function withoutOnes(node: NodeProto, input: (i: number) => Constant | undefined): Constant | undefined {
  const constant = input(0);
  if (constant === undefined) return undefined;
  const axes =
    intsAttribute(node, 'axes') ?? (input(1) === undefined ? undefined : Array.from(input(1)!.values));
  const rank = constant.shape.length;
  if (node.opType === 'Squeeze') {
    const gone = axes?.map((axis) => (axis < 0 ? axis + rank : axis));
    const shape = constant.shape.filter((size, axis) =>
      gone === undefined ? size !== 1 : !gone.includes(axis),
    );
    return { ...constant, shape };
  }
  if (axes === undefined || axes.length > 8) return undefined;
  const shape = [...constant.shape];
  for (const axis of axes
    .map((axis) => (axis < 0 ? axis + rank + axes.length : axis))
    .sort((a, b) => a - b)) {
    shape.splice(axis, 0, 1);
  }
  return { ...constant, shape };
}

function applyQuantization(
  node: NodeProto,
  input: (i: number) => Constant | undefined,
  apply: typeof quantize,
): Constant | undefined {
  const x = input(0);
  const scale = input(1);
  const zeroPoint = input(2);
  const hasZeroPoint = node.input[2] !== undefined && node.input[2] !== '';
  if (x === undefined || scale === undefined || (hasZeroPoint && zeroPoint === undefined)) return undefined;
  if (attribute(node, 'block_size') !== undefined) return undefined;
  return apply(x, scale, zeroPoint, intAttribute(node, 'axis', 1));
}
