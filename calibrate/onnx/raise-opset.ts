import { HimplosError } from '../../shared/errors.ts';
import { attribute, describeNode, intAttribute, operator } from './graph-index.ts';
import { innerGraphs } from './live-nodes.ts';
import type { GraphProto, NodeProto } from './onnx_pb.ts';
import type { OnnxModel } from './read-model.ts';

/**
 * What changed for existing nodes between opsets 7 and 17, from the operators' change log
 * (https://github.com/onnx/onnx/blob/main/docs/Changelog.md): an operator, the opset that changed it, and which nodes
 * that affects. Changes that only admit more types or shapes are left out.
 */
const CHANGES: readonly [operator: string, opset: number, affects: (node: NodeProto) => boolean][] = [
  ['BatchNormalization', 9, (node) => attribute(node, 'spatial') !== undefined],
  ['Scan', 9, () => true],
  ['Upsample', 9, () => true],
  ['Dropout', 10, (node) => node.output.length > 1],
  ['Slice', 10, () => true],
  ['TopK', 10, () => true],
  ['Clip', 11, (node) => attribute(node, 'min') !== undefined || attribute(node, 'max') !== undefined],
  ['Pad', 11, () => true],
  ['Resize', 11, () => true],
  ['Scatter', 11, () => true],
  ['Dropout', 12, (node) => attribute(node, 'ratio') !== undefined],
  ['Hardmax', 13, () => true],
  ['LogSoftmax', 13, () => true],
  ['ReduceSum', 13, (node) => attribute(node, 'axes') !== undefined],
  ['Softmax', 13, () => true],
  ['Split', 13, (node) => attribute(node, 'split') !== undefined],
  ['Squeeze', 13, (node) => attribute(node, 'axes') !== undefined],
  ['Unsqueeze', 13, () => true],
  ['BatchNormalization', 14, (node) => node.output.length > 1],
  ['GRU', 14, (node) => intAttribute(node, 'layout', 0) !== 0],
  ['RoiAlign', 16, (node) => attribute(node, 'coordinate_transformation_mode') === undefined],
];

/**
 * The opset to write a user's graph with, when nodes that need `needed` are added: the user's own where it is enough,
 * else `needed` if that changes the meaning of none of the nodes kept.
 * Throws `unsupported` naming the first node whose meaning would change.
 */
export function raisedOpset(model: OnnxModel, graph: GraphProto, needed: number): number {
  const { opset } = model;
  if (opset >= needed) return opset;
  const affected = opset < 7 ? graph.node[0] : firstAffected(graph, opset, needed);
  if (affected === undefined && model.proto.functions.length === 0) return needed;
  const reason = affected === undefined ? 'its functions' : describeNode(affected);
  throw new HimplosError(
    'unsupported',
    `${model.path}: the detector needs opset ${needed}, the model has ${opset}, and ${reason} would change its meaning`,
    {
      hint: `export the model with opset ${Math.max(13, needed)}, or convert it with onnx.version_converter`,
    },
  );
}

function firstAffected(graph: GraphProto, from: number, to: number): NodeProto | undefined {
  for (const node of graph.node) {
    const affected = CHANGES.some(
      ([type, opset, affects]) => operator(node) === type && opset > from && opset <= to && affects(node),
    );
    if (affected) return node;
    for (const inner of innerGraphs(node)) {
      const found = firstAffected(inner, from, to);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
