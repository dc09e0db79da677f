import { badModel, quoted } from './bad-model.ts';
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from './onnx_pb.ts';
import type { OnnxModel } from './read-model.ts';
import type { Constant } from './tensor-values.ts';

/** A graph with its tensors looked up by name. */
export interface GraphIndex {
  readonly graph: GraphProto;
  /** The node that computes a tensor. */
  readonly producer: ReadonlyMap<string, NodeProto>;
  /** The nodes that take a tensor as an input, in graph order. */
  readonly consumers: ReadonlyMap<string, readonly NodeProto[]>;
  readonly initializer: ReadonlyMap<string, TensorProto>;
  /** Constants evaluated so far; undefined for tensors that are none. */
  readonly constants: Map<string, Constant | undefined>;
}

/** Looks up a model's main graph. Throws `bad-model` when two nodes compute the same tensor. */
export function indexGraph(model: OnnxModel): GraphIndex {
  const graph = model.proto.graph!; // the reader refuses a model without one
  const producer = new Map<string, NodeProto>();
  const consumers = new Map<string, NodeProto[]>();
  for (const node of graph.node) {
    for (const name of node.output) {
      if (name === '') continue;
      if (producer.has(name)) throw badModel(`${model.path}: two nodes compute the tensor ${quoted(name)}`);
      producer.set(name, node);
    }
    for (const name of new Set(node.input)) {
      const others = consumers.get(name);
      if (others === undefined) consumers.set(name, [node]);
      else others.push(node);
    }
  }
  const initializer = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  return { graph, producer, consumers, initializer, constants: new Map() };
}

/** The operator of a node when it is one of the standard set, else its full name: `com.microsoft.FusedGemm`. */
export function operator(node: NodeProto): string {
  const standard = node.domain === '' || node.domain === 'ai.onnx';
  return standard ? node.opType : `${node.domain}.${node.opType}`;
}

/** A node as messages show it: `Gemm "/fc/Gemm"`. */
export function describeNode(node: NodeProto): string {
  return `${operator(node)} ${quoted(node.name || node.output[0] || '')}`;
}

/** The attribute of this name, or undefined. */
export function attribute(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((candidate) => candidate.name === name);
}

/** An integer attribute or its default. */
export function intAttribute(node: NodeProto, name: string, otherwise: number): number {
  const found = attribute(node, name);
  return found === undefined ? otherwise : Number(found.i);
}

/** A float attribute or its default. */
export function floatAttribute(node: NodeProto, name: string, otherwise: number): number {
  return attribute(node, name)?.f ?? otherwise;
}

/** An attribute that is a list of integers, or undefined. */
export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  return attribute(node, name)?.ints.map(Number);
}
