import { HimplosError } from '../../shared/errors.ts';
import type { Head } from '../../shared/methods/contract.ts';
import { badModel, quoted } from './bad-model.ts';
import { describeNode, type GraphIndex, indexGraph, operator } from './graph-index.ts';
import type { HeadKind } from './linear-layer.ts';
import { type ModelInput, type ModelOutput, modelInputs, modelOutputs } from './model-signature.ts';
import type { OnnxModel } from './read-model.ts';
import { tensorNames } from './rename-tensors.ts';
import { reservedRenames } from './reserved-names.ts';
import { type Walk, walkBack, walkForward } from './walk-to-head.ts';

/** A classifier's last linear layer, and how to get at what goes into it and comes out of it. */
export interface FoundHead {
  /** W (C × L) and b as float32; b is zeros where the model has none. */
  readonly head: Head;
  readonly headKind: HeadKind;
  /** Name of the layer's node, for people. */
  readonly headNode: string;
  /** The tensor that enters the layer. */
  readonly headInput: string;
  /**
   * How `headInput` becomes features [N, L]: `flatten` drops axes of length 1, `transpose` turns [L, N] round,
   * `pool` averages [N, L, H, W] over its positions first (the model pools after the layer, which is the same).
   */
  readonly flatten: 'flatten' | 'transpose' | 'pool';
  /** The tensor with the logits, before any softmax. */
  readonly logits: string;
  /**
   * Whether `logits` is W·h + b in float32, one sample a row. False where the model computes it in another precision,
   * rounds it to quantised values on the way or has samples in columns; then cut and fused graphs compute W·h + b
   * themselves.
   */
  readonly exactLogits: boolean;
  /** Element type of `headInput`, one of TensorProto_DataType. */
  readonly headInputType: number;
  /** The graph's output that the search began at. */
  readonly output: string;
  /** Whether a softmax stands between the logits and that output. */
  readonly softmaxOutput: boolean;
  /** Other outputs that come from other linear layers and were passed over. */
  readonly passedOver: readonly string[];
  readonly input: ModelInput;
  /** The input's name in cut and fused graphs: another one only where theirs has an output called like the input. */
  readonly feed: string;
  readonly outputs: readonly ModelOutput[];
  /** Batch size that the model insists on; null when any will do. */
  readonly fixedBatch: number | null;
  readonly nodeSummary: NodeSummary;
}

/** What a graph consists of, for `inspect`. */
interface NodeSummary {
  readonly nodes: number;
  /** How many nodes of each operator, most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  /** The nodes from the output back to the head. */
  readonly path: readonly string[];
}

/**
 * Finds the classifier head: the last Gemm, MatMul (+ Add) or 1×1 Conv with constant weights before the logits.
 *
 * Without `headInput` the search walks back from an output. Among several outputs that lead to a head, the first
 * whose name contains "logit" is taken, else the first in the graph's order: exporters put auxiliary outputs last.
 * With `headInput`, the layer that takes this tensor, perhaps reshaped on the way, is the head.
 *
 * Throws `bad-model` naming the nodes seen when there is no such layer, `bad-usage` when the model has no tensor
 * `headInput`, `unsupported` when it takes more than one input.
 */
export function findHead(model: OnnxModel, options: { readonly headInput?: string } = {}): FoundHead {
  const index = indexGraph(model);
  const { walk, output, passedOver } =
    options.headInput === undefined
      ? searchOutputs(model, index)
      : searchFrom(model, index, options.headInput);
  const { layer } = walk;
  const input = theInput(model, index, layer.input);
  return {
    head: walk.head,
    headKind: layer.kind,
    headNode: layer.node.name || layer.output,
    headInput: layer.input,
    flatten: walk.pooled ? 'pool' : layer.samples === 'columns' ? 'transpose' : 'flatten',
    logits: walk.logits,
    exactLogits: walk.exact,
    headInputType: layer.type,
    output,
    softmaxOutput: walk.softmax,
    passedOver,
    input,
    feed: reservedRenames(tensorNames(index.graph)).get(input.name) ?? input.name,
    outputs: modelOutputs(index),
    fixedBatch: input.shape[0] ?? null,
    nodeSummary: summarise(index, walk),
  };
}

/** More outputs than any classifier has; later ones are not looked at. */
const MAX_OUTPUTS = 64;

interface Search {
  readonly walk: Walk;
  readonly output: string;
  readonly passedOver: readonly string[];
}

function searchOutputs(model: OnnxModel, index: GraphIndex): Search {
  const names = index.graph.output.slice(0, MAX_OUTPUTS).map(({ name }) => name);
  const failures: string[] = [];
  const found: { name: string; walk: Walk }[] = [];
  for (const name of names) {
    const walk = walkBack(index, name);
    if (typeof walk === 'string') failures.push(walk);
    else found.push({ name, walk });
  }
  const best = found.find(({ name }) => /logit/i.test(name)) ?? found[0];
  if (best === undefined) {
    throw badModel(
      `${model.path}: found no classifier head: expected an output that comes from a Gemm, MatMul or 1×1 Conv with constant weights; ${failures.slice(0, 4).join('; ') || 'the graph has no outputs'}`,
      { hint: headInputHint(index) },
    );
  }
  const passedOver = found
    .filter(({ walk }) => walk.layer.node !== best.walk.layer.node)
    .map(({ name }) => name);
  return { walk: best.walk, output: best.name, passedOver };
}

function searchFrom(model: OnnxModel, index: GraphIndex, headInput: string): Search {
  const exists = index.producer.has(headInput) || index.graph.input.some(({ name }) => name === headInput);
  if (!exists) {
    throw new HimplosError(
      'bad-usage',
      `--head-input ${quoted(headInput)}: ${model.path} has no such tensor; the last ones are ${lastTensors(index)}`,
      { hint: 'himplos inspect lists the nodes around the head' },
    );
  }
  const walk = walkForward(index, headInput);
  if (typeof walk === 'string') {
    throw badModel(`${model.path}: found no classifier head at ${quoted(headInput)}: ${walk}`, {
      hint: headInputHint(index),
    });
  }
  return { walk, output: index.graph.output[0]?.name ?? walk.logits, passedOver: [] };
}

function headInputHint(index: GraphIndex): string {
  const functions = index.graph.node.some(({ domain }) => domain.startsWith('pkg.'));
  return functions
    ? 'this model keeps its layers in functions: inline them with onnx.inliner.inline_local_functions'
    : '--head-input TENSOR names the tensor that enters the last linear layer, where the search cannot find it';
}

function lastTensors(index: GraphIndex): string {
  return index.graph.node
    .slice(-4)
    .map((node) => quoted(node.output[0] ?? ''))
    .join(', ');
}

/** The one graph input that the head depends on. */
function theInput(model: OnnxModel, index: GraphIndex, headInput: string): ModelInput {
  const inputs = modelInputs(index, headInput);
  if (inputs.length === 1) return inputs[0]!;
  if (inputs.length === 0) {
    throw badModel(`${model.path}: the classifier head does not depend on any input of the model`);
  }
  throw new HimplosError(
    'unsupported',
    `${model.path}: expected a model with one input, got ${inputs.map(({ name }) => quoted(name)).join(', ')}`,
    { hint: 'export the model with its other inputs fixed' },
  );
}

function summarise(index: GraphIndex, walk: Walk): NodeSummary {
  const counts = new Map<string, number>();
  for (const node of index.graph.node) counts.set(operator(node), (counts.get(operator(node)) ?? 0) + 1);
  const ordered = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return {
    nodes: index.graph.node.length,
    operators: Object.fromEntries(ordered),
    path: walk.path.map(describeNode),
  };
}
