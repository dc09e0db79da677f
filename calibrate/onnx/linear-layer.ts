import type { Head } from '../../shared/methods/contract.ts';
import { constantValue, transposeMatrix } from './constants.ts';
import {
  describeNode,
  floatAttribute,
  type GraphIndex,
  intAttribute,
  intsAttribute,
  operator,
} from './graph-index.ts';
import { type NodeProto, TensorProto_DataType as TYPE } from './onnx_pb.ts';
import type { Constant } from './tensor-values.ts';

export type HeadKind = 'Gemm' | 'MatMul' | 'Conv';

/** A node that computes W·h + b with constant W and b. */
export interface LinearLayer {
  readonly kind: HeadKind;
  readonly node: NodeProto;
  /** The tensor with h. */
  readonly input: string;
  /** The tensor with W·h + b. */
  readonly output: string;
  /** How `input` holds h: one sample a row ([N, L] and axes of length 1), or one a column ([L, N]). */
  readonly samples: 'rows' | 'columns';
  /** The axis of `output` along which the classes lie, counted from the end: −1, −2 or −3. */
  readonly classAxis: number;
  /** C × L and C, float32. */
  readonly head: Head;
  /** Element type of `input` and of the product, one of TensorProto_DataType. */
  readonly type: number;
}

/** Whether a node's operator is one that {@link readLinearLayer} understands. */
export function isLinearOperator(node: NodeProto): boolean {
  return ['Gemm', 'MatMul', 'Conv'].includes(operator(node));
}

/**
 * Reads a Gemm, MatMul or 1×1 Conv as a linear layer, or says in a sentence why it is none.
 * Throws `bad-model` for constants whose data do not fit their shape.
 */
export function readLinearLayer(index: GraphIndex, node: NodeProto): LinearLayer | string {
  const layer =
    operator(node) === 'Gemm'
      ? readGemm(index, node)
      : operator(node) === 'MatMul'
        ? readMatMul(index, node)
        : readConv(index, node);
  if (typeof layer === 'string') return `${describeNode(node)} ${layer}`;
  const { head } = layer;
  if (head.classes < 2) return `${describeNode(node)} has a single output: two classes are the least`;
  if (head.width < 1) return `${describeNode(node)} has no inputs`;
  if (!head.weight.every(Number.isFinite) || !head.bias.every(Number.isFinite)) {
    return `${describeNode(node)} has weights that are not finite`;
  }
  return layer;
}

const RUN_TIME = 'has weights that are computed at run time';

/** Y = α·A·B + β·C with A = h. https://onnx.ai/onnx/operators/onnx__Gemm.html */
function readGemm(index: GraphIndex, node: NodeProto): LinearLayer | string {
  const b = constantValue(index, node.input[1] ?? '');
  if (b === undefined || b.shape.length !== 2) return RUN_TIME;
  const transposeB = intAttribute(node, 'transB', 0) !== 0;
  const [classes, width] = transposeB ? [b.shape[0]!, b.shape[1]!] : [b.shape[1]!, b.shape[0]!];
  const weight = toFloat32(transposeB ? b.values : transposeMatrix(b.values, width, classes));
  scale(weight, floatAttribute(node, 'alpha', 1));
  const bias = readBias(index, node.input[2], classes);
  if (typeof bias === 'string') return bias;
  scale(bias, floatAttribute(node, 'beta', 1));
  return {
    kind: 'Gemm',
    node,
    input: node.input[0]!,
    output: node.output[0]!,
    samples: intAttribute(node, 'transA', 0) === 0 ? 'rows' : 'columns',
    classAxis: -1,
    head: { classes, width, weight, bias },
    type: b.type,
  };
}

/** h·B with constant B [L, C], or A·h with constant A [C, L]. */
function readMatMul(index: GraphIndex, node: NodeProto): LinearLayer | string {
  const right = asMatrix(constantValue(index, node.input[1] ?? ''));
  if (right !== undefined) {
    const [width, classes] = right.shape as [number, number];
    const weight = toFloat32(transposeMatrix(right.values, width, classes));
    return matMul(node, node.input[0]!, 'rows', -1, { classes, width, weight }, right.type);
  }
  const left = asMatrix(constantValue(index, node.input[0] ?? ''));
  if (left === undefined) return RUN_TIME;
  const [classes, width] = left.shape as [number, number];
  const samples = isTransposedLater(index, node.output[0]!) ? 'columns' : 'rows';
  const weight = toFloat32(left.values);
  return matMul(node, node.input[1]!, samples, -2, { classes, width, weight }, left.type);
}

function matMul(
  node: NodeProto,
  input: string,
  samples: 'rows' | 'columns',
  classAxis: number,
  weights: Omit<Head, 'bias'>,
  type: number,
): LinearLayer {
  const head = { ...weights, bias: new Float32Array(weights.classes) };
  return { kind: 'MatMul', node, input, output: node.output[0]!, samples, classAxis, head, type };
}

/** W·h of [L, N] is [C, N] and has to be transposed to become logits; W·h of [N, L, 1] is not. */
function isTransposedLater(index: GraphIndex, start: string): boolean {
  let name = start;
  for (let steps = 0; steps < 8; steps++) {
    const consumers = index.consumers.get(name) ?? [];
    if (consumers.length !== 1) return false;
    const node = consumers[0]!;
    if (operator(node) === 'Transpose') return true;
    if (!['Add', 'Identity', 'Cast', 'Dropout'].includes(operator(node))) return false;
    name = node.output[0] ?? '';
  }
  return false;
}

/** A convolution whose kernel is a single point: a linear layer at every position. */
function readConv(index: GraphIndex, node: NodeProto): LinearLayer | string {
  const kernel = constantValue(index, node.input[1] ?? '');
  if (kernel === undefined) return RUN_TIME;
  const [classes, width, ...window] = kernel.shape;
  if (classes === undefined || width === undefined || window.length === 0) return RUN_TIME;
  if (window.some((size) => size !== 1)) return `has a window of ${window.join('×')}, not 1×1`;
  if (intAttribute(node, 'group', 1) !== 1) return 'is a grouped convolution';
  const strideOrPad = [
    ...(intsAttribute(node, 'strides') ?? []).map((stride) => stride - 1),
    ...(intsAttribute(node, 'pads') ?? []),
  ];
  if (strideOrPad.some((extra) => extra !== 0)) return 'is a convolution with strides or padding';
  const bias = readBias(index, node.input[2], classes);
  if (typeof bias === 'string') return bias;
  return {
    kind: 'Conv',
    node,
    input: node.input[0]!,
    output: node.output[0]!,
    samples: 'rows',
    classAxis: -1 - window.length,
    head: { classes, width, weight: toFloat32(kernel.values), bias },
    type: kernel.type,
  };
}

/** A constant bias: one value a class, or one for all; zeros when there is none. */
function readBias(index: GraphIndex, name: string | undefined, classes: number): Float32Array | string {
  if (name === undefined || name === '') return new Float32Array(classes);
  const bias = constantValue(index, name);
  if (bias === undefined) return 'has a bias that is computed at run time';
  if (bias.values.length === 1) return new Float32Array(classes).fill(bias.values[0]!);
  const fits = bias.values.length === classes && bias.shape[bias.shape.length - 1] === classes;
  return fits ? toFloat32(bias.values) : `has a bias of shape [${bias.shape.join(', ')}], not [${classes}]`;
}

/**
 * Reads the constant operand of an Add as a bias for a layer's output: one value, or one a class along the layer's
 * class axis. Undefined when it is neither.
 */
export function addedBias(layer: LinearLayer, constant: Constant, kept: boolean): Float32Array | undefined {
  const { classes } = layer.head;
  if (constant.values.length === 1) return new Float32Array(classes).fill(constant.values[0]!);
  if (constant.values.length !== classes) return undefined;
  const axis = constant.shape.length + (kept ? layer.classAxis : -1);
  return constant.shape[axis] === classes ? toFloat32(constant.values) : undefined;
}

/** A matrix, with leading axes of length 1 left out. */
function asMatrix(constant: Constant | undefined): Constant | undefined {
  if (constant === undefined || constant.shape.length < 2) return undefined;
  const extra = constant.shape.slice(0, -2);
  return extra.every((size) => size === 1) ? { ...constant, shape: constant.shape.slice(-2) } : undefined;
}

function toFloat32(values: Constant['values']): Float32Array {
  return Float32Array.from(values);
}

function scale(values: Float32Array, factor: number): void {
  if (factor === 1) return;
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * factor;
}

/** Whether a layer's output is W·h + b in float32, one sample a row. */
export function hasExactRows(layer: LinearLayer): boolean {
  return layer.type === TYPE.FLOAT && !(layer.kind === 'MatMul' && layer.samples === 'columns');
}
