import { innerGraphs } from './live-nodes.ts';
import type { GraphProto, NodeProto } from './onnx_pb.ts';
import { copyMessage } from './proto-parts.ts';

/** Every name of a tensor in a graph, inner graphs included. */
export function tensorNames(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  collect(graph, names);
  return names;
}

/** The first of `name`, `name_1`, `name_2`, … that is not taken. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name;
  for (let i = 1; taken.has(free); i++) free = `${name}_${i}`;
  return free;
}

/**
 * The same graph with some tensors under other names, wherever they are mentioned, inner graphs included. The graph
 * given is left as it is; messages without such a name are shared.
 */
export function renameTensors(graph: GraphProto, names: ReadonlyMap<string, string>): GraphProto {
  if (names.size === 0) return graph;
  const renamed = copyMessage(graph);
  const rename = (name: string) => names.get(name) ?? name;
  const named = <T extends { name: string }>(messages: readonly T[]): T[] =>
    messages.map((message) => {
      if (!names.has(message.name)) return message;
      const copy = copyMessage(message);
      copy.name = rename(message.name);
      return copy;
    });
  renamed.node = graph.node.map((node) => renameNode(node, names, rename));
  renamed.initializer = named(graph.initializer);
  renamed.input = named(graph.input);
  renamed.output = named(graph.output);
  renamed.valueInfo = named(graph.valueInfo);
  renamed.quantizationAnnotation = []; // hints for quantising runtimes, by tensor name; no operator depends on them
  renamed.sparseInitializer = graph.sparseInitializer.map((sparse) => {
    if (sparse.values === undefined || !names.has(sparse.values.name)) return sparse;
    const copy = copyMessage(sparse);
    copy.values = named([sparse.values])[0]!;
    return copy;
  });
  return renamed;
}

/** Gives a tensor that only these nodes mention another name, in place. */
export function renameOutput(nodes: readonly NodeProto[], from: string, to: string): void {
  const rename = (name: string) => (name === from ? to : name);
  for (const node of nodes) {
    node.input = node.input.map(rename);
    node.output = node.output.map(rename);
  }
}

function renameNode(
  node: NodeProto,
  names: ReadonlyMap<string, string>,
  rename: (name: string) => string,
): NodeProto {
  const copy = copyMessage(node);
  copy.input = node.input.map(rename);
  copy.output = node.output.map(rename);
  if (innerGraphs(node).length > 0) {
    copy.attribute = node.attribute.map((attribute) => {
      const inner = copyMessage(attribute);
      if (attribute.g !== undefined) inner.g = renameTensors(attribute.g, names);
      inner.graphs = attribute.graphs.map((graph) => renameTensors(graph, names));
      return inner;
    });
  }
  return copy;
}

function collect(graph: GraphProto, names: Set<string>): void {
  for (const { name } of [...graph.input, ...graph.output, ...graph.initializer]) names.add(name);
  for (const { values } of graph.sparseInitializer) if (values !== undefined) names.add(values.name);
  for (const node of graph.node) {
    for (const name of [...node.input, ...node.output]) names.add(name);
    for (const inner of innerGraphs(node)) collect(inner, names);
  }
}
