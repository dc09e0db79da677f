import type { GraphProto, NodeProto } from './onnx_pb.ts';

/** The part of a graph that some tensors depend on. */
export interface LiveNodes {
  /** Its nodes, in the graph's order. */
  readonly nodes: readonly NodeProto[];
  /** Every tensor it mentions: results, inputs, initialisers, and what inner graphs take from outside. */
  readonly names: ReadonlySet<string>;
}

/** Finds the nodes that compute `tensors` or anything they depend on, in one pass against the order of computation. */
export function liveNodes(graph: GraphProto, tensors: readonly string[]): LiveNodes {
  const producer = new Map<string, NodeProto>();
  for (const node of graph.node) for (const name of node.output) if (name !== '') producer.set(name, node);
  const names = new Set<string>();
  const live = new Set<NodeProto>();
  const pending = [...tensors];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || names.has(name)) continue;
    names.add(name);
    const node = producer.get(name);
    if (node === undefined || live.has(node)) continue;
    live.add(node);
    for (const output of node.output) if (output !== '') names.add(output);
    pending.push(...namesRead(node));
  }
  return { nodes: graph.node.filter((node) => live.has(node)), names };
}

/** The tensors a node reads; the inner graphs of If, Loop and Scan read tensors of the outer graph by name. */
function* namesRead(node: NodeProto): Generator<string> {
  yield* node.input;
  for (const graph of innerGraphs(node)) {
    for (const inner of graph.node) yield* namesRead(inner);
    for (const { name } of graph.output) yield name;
  }
}

/** The graphs that a node holds as attributes. */
export function innerGraphs(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]));
}
