import type { GraphIndex } from './graph-index.ts';
import { liveNodes } from './live-nodes.ts';
import type { ValueInfoProto } from './onnx_pb.ts';
import { elementTypeName } from './tensor-values.ts';

/** An input of a model. */
export interface ModelInput {
  readonly name: string;
  /** `float32`, `float16`, `uint8`, … */
  readonly elementType: string;
  /** Sizes, null for those that may vary; empty when the model does not say. */
  readonly shape: readonly (number | null)[];
}

/** An output of a model, described as its inputs are. */
export type ModelOutput = ModelInput;

/** The graph's inputs that a tensor depends on, initialisers left out. */
export function modelInputs(index: GraphIndex, tensor: string): ModelInput[] {
  const { names } = liveNodes(index.graph, [tensor]);
  return index.graph.input
    .filter(({ name }) => names.has(name) && !index.initializer.has(name))
    .map(describeValue);
}

/** All outputs of the graph. */
export function modelOutputs(index: GraphIndex): ModelOutput[] {
  return index.graph.output.map(describeValue);
}

function describeValue(info: ValueInfoProto): ModelInput {
  const type = info.type?.value;
  if (type?.case !== 'tensorType')
    return { name: info.name, elementType: type?.case ?? 'unknown', shape: [] };
  const dims = type.value.shape?.dim;
  const shape =
    dims === undefined || dims.length > 16
      ? []
      : dims.map(({ value }) => (value.case === 'dimValue' && value.value > 0n ? Number(value.value) : null));
  return { name: info.name, elementType: elementTypeName(type.value.elemType), shape };
}
