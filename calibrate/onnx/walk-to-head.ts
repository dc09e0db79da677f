import type { Head } from '../../shared/methods/contract.ts';
import { quoted } from './bad-model.ts';
import { constantValue } from './constants.ts';
import { describeNode, type GraphIndex, operator } from './graph-index.ts';
import {
  addedBias,
  hasExactRows,
  isLinearOperator,
  type LinearLayer,
  readLinearLayer,
} from './linear-layer.ts';
import type { NodeProto } from './onnx_pb.ts';
import type { Constant } from './tensor-values.ts';

/** A linear layer reached from one end, with what stands around it. */
export interface Walk {
  readonly layer: LinearLayer;
  /** The layer's W and b, with the biases that were added after it. */
  readonly head: Head;
  /** The tensor with the logits: behind the last bias, before any softmax. */
  readonly logits: string;
  readonly softmax: boolean;
  /** Whether the layer's output is averaged over positions before it becomes logits. */
  readonly pooled: boolean;
  /** Whether `logits` holds W·h + b in float32, one sample a row. */
  readonly exact: boolean;
  /** The nodes met, from the output back. */
  readonly path: readonly NodeProto[];
}

/** Nodes that give their first input back, perhaps in another shape. */
const RESHAPING = new Set(['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Transpose']);
const UNCHANGING = new Set(['Identity', 'Dropout']);
const ROUNDING = new Set(['Cast', 'QuantizeLinear', 'DequantizeLinear']);
const SOFTMAX = new Set(['Softmax', 'LogSoftmax']);

/** More nodes between logits and output than any exporter leaves. */
const MAX_STEPS = 64;

/** How many nodes a failed search names. */
const NODES_NAMED = 8;

interface Added {
  readonly constant: Constant;
  /** Reshaping nodes met on the way back from this Add to the layer. */
  reshaped: boolean;
}

/**
 * Walks back from an output through reshaping, softmax, dropout, casts, quantisation and added constants to a linear
 * layer. Returns a sentence naming the nodes it saw when it ends anywhere else.
 */
export function walkBack(index: GraphIndex, output: string): Walk | string {
  const path: NodeProto[] = [];
  const added: Added[] = [];
  let name = output;
  let logits: string | undefined;
  let softmax = false;
  let pooled = false;
  let rounded = false;
  const fail = (reason: string) => describeFailure(index, output, path, reason);
  while (path.length < MAX_STEPS) {
    const node = index.producer.get(name);
    if (node === undefined) return fail(`${quoted(name)} is not computed by any node`);
    path.push(node);
    const type = operator(node);
    if (isLinearOperator(node)) {
      const layer = readLinearLayer(index, node);
      if (typeof layer === 'string') return fail(layer);
      if (pooled && layer.kind !== 'Conv') return fail(`${describeNode(node)} is followed by pooling`);
      const head = withBiases(layer, added);
      if (typeof head === 'string') return fail(head);
      const exact = hasExactRows(layer) && !(rounded && logits !== undefined);
      return { layer, head, logits: logits ?? layer.output, softmax, pooled, exact, path };
    }
    let next = node.input[0] ?? '';
    if (type === 'Add') {
      const operand = constantOperand(index, node);
      if (operand === undefined) return fail(`${describeNode(node)} adds two computed tensors`);
      logits ??= name;
      added.push({ constant: operand.constant, reshaped: false });
      next = operand.other;
    } else if (type === 'GlobalAveragePool' && !pooled) {
      logits ??= name;
      pooled = true;
    } else if (RESHAPING.has(type)) {
      for (const add of added) add.reshaped = true;
    } else if (ROUNDING.has(type)) {
      // Rounding after the logits does not matter; rounding between the layer and a bias or pool does.
      rounded ||= logits !== undefined;
    } else if (SOFTMAX.has(type) && logits === undefined) {
      softmax = true;
    } else if (!UNCHANGING.has(type)) {
      return fail(`${describeNode(node)} is not a step between a linear layer and its logits`);
    }
    name = next;
  }
  return fail(`no linear layer within ${MAX_STEPS} nodes`);
}

/**
 * Walks forward from a tensor through reshaping to the first linear layer that takes it, and on over added constants
 * to the logits. Returns a sentence when there is none.
 */
export function walkForward(index: GraphIndex, headInput: string): Walk | string {
  const reasons: string[] = [];
  const seen = new Set<string>();
  const pending = [headInput];
  for (let name = pending.shift(); name !== undefined && seen.size < MAX_STEPS; name = pending.shift()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const node of index.consumers.get(name) ?? []) {
      const type = operator(node);
      if (isLinearOperator(node)) {
        const layer = readLinearLayer(index, node);
        if (typeof layer !== 'string' && layer.input === name) return afterLayer(index, layer);
        reasons.push(typeof layer === 'string' ? layer : `${describeNode(node)} takes it as weights`);
      } else if (RESHAPING.has(type) || UNCHANGING.has(type) || ROUNDING.has(type)) {
        if (node.input[0] === name) pending.push(node.output[0] ?? '');
      } else {
        reasons.push(`it goes into ${describeNode(node)}`);
      }
    }
  }
  const named = reasons.slice(0, NODES_NAMED).join('; ');
  return `expected a Gemm, MatMul or 1×1 Conv with constant weights to take it${named === '' ? '' : `; ${named}`}`;
}

/** Follows a layer's output over biases (and, for a Conv, one pooling) while nothing else uses it. */
function afterLayer(index: GraphIndex, layer: LinearLayer): Walk {
  const path = [layer.node];
  const added: Added[] = [];
  let logits = layer.output;
  let name = layer.output;
  let reshaped = false;
  let pooled = false;
  let exact = hasExactRows(layer);
  let rounded = false;
  while (path.length < MAX_STEPS) {
    const consumers = index.consumers.get(name) ?? [];
    if (consumers.length !== 1) break;
    const node = consumers[0]!;
    const type = operator(node);
    if (type === 'Add') {
      const operand = constantOperand(index, node);
      const add = operand === undefined ? undefined : { constant: operand.constant, reshaped };
      if (add === undefined || typeof withBiases(layer, [add]) === 'string') break;
      added.push(add);
    } else if (type === 'GlobalAveragePool' && layer.kind === 'Conv' && !pooled) {
      pooled = true;
    } else if (RESHAPING.has(type)) {
      reshaped = true;
    } else if (ROUNDING.has(type)) {
      rounded = true;
    } else if (!UNCHANGING.has(type)) {
      break;
    }
    name = node.output[0] ?? '';
    path.unshift(node);
    if (type === 'Add' || type === 'GlobalAveragePool') {
      logits = name;
      exact &&= !rounded;
    }
  }
  const head = withBiases(layer, added) as Head; // each was checked when it was met
  return { layer, head, logits, softmax: false, pooled, exact, path };
}

function withBiases(layer: LinearLayer, added: readonly Added[]): Head | string {
  const bias = layer.head.bias.slice();
  for (const { constant, reshaped } of added) {
    const more = addedBias(layer, constant, !reshaped);
    if (more === undefined) {
      const shape = constant.shape.join(', ');
      return `${describeNode(layer.node)} is followed by an Add of shape [${shape}], not one value a class`;
    }
    for (let c = 0; c < bias.length; c++) bias[c] = bias[c]! + more[c]!;
  }
  if (!bias.every(Number.isFinite)) return `${describeNode(layer.node)} has a bias that is not finite`;
  return { ...layer.head, bias };
}

function constantOperand(
  index: GraphIndex,
  node: NodeProto,
): { readonly constant: Constant; readonly other: string } | undefined {
  const [first = '', second = ''] = node.input;
  const right = constantValue(index, second);
  if (right !== undefined) return { constant: right, other: first };
  const left = constantValue(index, first);
  return left === undefined ? undefined : { constant: left, other: second };
}

function describeFailure(
  index: GraphIndex,
  output: string,
  path: readonly NodeProto[],
  reason: string,
): string {
  const nodes = [...path];
  while (nodes.length > 0 && nodes.length < NODES_NAMED) {
    const before = nodes[nodes.length - 1]!.input.map((name) => index.producer.get(name)).find(
      (node) => node !== undefined && operator(node) !== 'Constant' && !nodes.includes(node),
    );
    if (before === undefined) break;
    nodes.push(before);
  }
  const seen = nodes.slice(0, NODES_NAMED).map(describeNode).join(' ← ');
  return `walking back from ${quoted(output)}: ${reason} (seen: ${seen || 'no node'})`;
}
