import { create, toBinary } from '@bufbuild/protobuf';
import type { FoundHead } from './find-head.ts';
import { liveNodes } from './live-nodes.ts';
import {
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataType as TYPE,
  type ValueInfoProto,
} from './onnx_pb.ts';
import {
  copyMessage,
  makeInt64,
  makeNode,
  makeTensor,
  makeValueInfo,
  requireWritable,
} from './proto-parts.ts';
import type { OnnxModel } from './read-model.ts';
import { freeName, renameTensors, tensorNames } from './rename-tensors.ts';
import { RESERVED, reservedRenames } from './reserved-names.ts';

/** A user's graph with `features` and `logits` at its end, open for more nodes. */
export interface TappedGraph {
  /** The user's graph, with tensors renamed where they had a reserved name. */
  readonly graph: GraphProto;
  /** Nodes and initialisers to add after the graph's own. */
  readonly nodes: NodeProto[];
  readonly initializers: TensorProto[];
  /** Every name in use. */
  readonly taken: Set<string>;
  /** The batch size as the graph's input declares it: a number, a name, or null. */
  readonly batch: number | string | null;
}

/** What a written model declares about itself. */
export interface Versions {
  readonly opset: number;
  readonly irVersion: number;
  /** Entries of metadata_props, besides the user's own. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Adds `features` [N, L] and `logits` [N, C], both float32, to a copy of the user's graph. Tensors of the user's that
 * have a reserved name are renamed; `found.feed` is the name of the input afterwards.
 */
export function tapHead(model: OnnxModel, found: FoundHead): TappedGraph {
  const original = model.proto.graph!;
  const taken = tensorNames(original);
  const renames = reservedRenames(taken);
  const isNamed = nameMatrices(renames, original, found);
  for (const name of [...RESERVED, ...renames.values()]) taken.add(name);
  const tapped: TappedGraph = {
    graph: renameTensors(original, renames),
    nodes: [],
    initializers: [],
    taken,
    batch: batchSize(original, found.input.name),
  };
  const current = (name: string) => renames.get(name) ?? name;
  if (!isNamed.features) addFeatures(tapped, found, current(found.headInput));
  if (!found.exactLogits) addLinear(tapped, found);
  else if (!isNamed.logits) addShape(tapped, current(found.logits), found.head.classes, 'logits');
  return tapped;
}

/**
 * Where the tensors are [N, L] and [N, C] for certain, as the first input and the output of a Gemm are, they get
 * their names as they stand (a Reshape for each took 15 and 8 µs at least in a profile of MobileNetV2).
 */
function nameMatrices(
  renames: Map<string, string>,
  { node, input, initializer }: GraphProto,
  { headKind, flatten, headInput, headInputType, exactLogits, logits }: FoundHead,
): { readonly features: boolean; readonly logits: boolean } {
  const isMade = (name: string) => ![...input, ...initializer].some((one) => one.name === name);
  const isGemm = headKind === 'Gemm' && headInputType === TYPE.FLOAT && flatten === 'flatten';
  const isNamed = {
    features: isGemm && isMade(headInput),
    logits:
      isGemm && exactLogits && node.some(({ opType, output }) => opType === 'Gemm' && output[0] === logits),
  };
  if (isNamed.features) renames.set(headInput, 'features');
  if (isNamed.logits) renames.set(logits, 'logits');
  return isNamed;
}

/** A name for a tensor of ours that no other has. */
export function newName(tapped: Pick<TappedGraph, 'taken'>, name: string): string {
  const free = freeName(`himplos/${name}`, tapped.taken);
  tapped.taken.add(free);
  return free;
}

/**
 * Writes a model whose outputs are `outputs`, without the nodes, initialisers and inputs that nothing in them
 * depends on. Throws `bad-model` when it would not fit into one file.
 */
export function writeTapped(
  proto: ModelProto,
  tapped: TappedGraph,
  outputs: readonly ValueInfoProto[],
  versions: Versions,
): Uint8Array {
  const graph = copyMessage(tapped.graph);
  graph.node = [...graph.node, ...tapped.nodes];
  graph.initializer = [...graph.initializer, ...tapped.initializers];
  const live = liveNodes(
    graph,
    outputs.map(({ name }) => name),
  );
  const alive = ({ name }: { readonly name: string }) => live.names.has(name);
  graph.node = [...live.nodes];
  dropRepeatedNames(graph.node);
  graph.initializer = graph.initializer.filter(alive);
  graph.sparseInitializer = graph.sparseInitializer.filter(
    ({ values }) => values !== undefined && alive(values),
  );
  graph.input = graph.input.filter(alive);
  const declared = new Set(outputs.map(({ name }) => name));
  graph.valueInfo = graph.valueInfo.filter(({ name }) => live.names.has(name) && !declared.has(name));
  graph.quantizationAnnotation = graph.quantizationAnnotation.filter(({ tensorName }) =>
    live.names.has(tensorName),
  );
  graph.output = [...outputs];
  requireWritable(graph.initializer);
  return toBinary(ModelProtoSchema, withGraph(proto, graph, versions));
}

/** Node names are optional, but none may stand twice: not when a model has nodes that were written here before. */
function dropRepeatedNames(nodes: readonly NodeProto[]): void {
  const seen = new Set<string>();
  for (const node of nodes) {
    if (seen.has(node.name)) node.name = '';
    else seen.add(node.name);
  }
}

function withGraph(proto: ModelProto, graph: GraphProto, versions: Versions): ModelProto {
  const copy = copyMessage(proto);
  copy.graph = graph;
  copy.irVersion = BigInt(versions.irVersion);
  copy.trainingInfo = [];
  const others = proto.opsetImport.filter(({ domain }) => domain !== '' && domain !== 'ai.onnx');
  copy.opsetImport = [create(OperatorSetIdProtoSchema, { version: BigInt(versions.opset) }), ...others];
  const kept = proto.metadataProps.filter(({ key }) => !Object.hasOwn(versions.metadata, key));
  const added = Object.keys(versions.metadata)
    .sort()
    .map((key) => create(StringStringEntryProtoSchema, { key, value: versions.metadata[key]! }));
  copy.metadataProps = [...kept, ...added];
  return copy;
}

/** The declarations of `features` and `logits`. */
export function tappedOutputs(
  tapped: TappedGraph,
  found: FoundHead,
): Record<'features' | 'logits', ValueInfoProto> {
  return {
    features: makeValueInfo('features', TYPE.FLOAT, [tapped.batch, found.head.width]),
    logits: makeValueInfo('logits', TYPE.FLOAT, [tapped.batch, found.head.classes]),
  };
}

function addFeatures(tapped: TappedGraph, found: FoundHead, headInput: string): void {
  let source = headInput;
  if (found.headInputType !== TYPE.FLOAT) {
    const cast = newName(tapped, 'features/cast');
    tapped.nodes.push(makeNode('Cast', [source], [cast], { to: TYPE.FLOAT }));
    source = cast;
  }
  if (found.flatten === 'pool') {
    const pooled = newName(tapped, 'features/pool');
    tapped.nodes.push(makeNode('GlobalAveragePool', [source], [pooled]));
    source = pooled;
  }
  if (found.flatten === 'transpose') {
    tapped.nodes.push(makeNode('Transpose', [source], ['features'], { perm: [1, 0] }));
  } else {
    addShape(tapped, source, found.head.width, 'features');
  }
}

/** A tensor as [N, columns]: axes of length 1 go; anything else fails at run time instead of mixing samples up. */
function addShape(tapped: TappedGraph, source: string, columns: number, output: string): void {
  const shape = newName(tapped, `${output}/shape`);
  tapped.initializers.push(makeInt64(shape, [0, columns])); // 0 keeps the first axis as it is
  tapped.nodes.push(makeNode('Reshape', [source, shape], [output]));
}

/** logits = features·Wᵀ + b, for graphs whose own logits are rounded. */
function addLinear(tapped: TappedGraph, found: FoundHead): void {
  const { classes, width, weight, bias } = found.head;
  const w = newName(tapped, 'head.weight');
  const b = newName(tapped, 'head.bias');
  tapped.initializers.push(
    makeTensor(w, TYPE.FLOAT, [classes, width], weight),
    makeTensor(b, TYPE.FLOAT, [classes], bias),
  );
  tapped.nodes.push(makeNode('Gemm', ['features', w, b], ['logits'], { transB: 1 }));
}

function batchSize(graph: GraphProto, input: string): number | string | null {
  const type = graph.input.find(({ name }) => name === input)?.type?.value;
  const first = type?.case === 'tensorType' ? type.value.shape?.dim[0]?.value : undefined;
  if (first?.case === 'dimParam') return first.value;
  return first?.case === 'dimValue' && first.value > 0n ? Number(first.value) : null;
}
