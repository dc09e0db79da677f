import { create } from '@bufbuild/protobuf';
import { HimplosError } from '../../shared/errors.ts';
import type { Detector, GraphBuilder, Head } from '../../shared/methods/contract.ts';
import { f32, f64, type Tensors, u8 } from '../../shared/tensor.ts';
import type { FoundHead } from './find-head.ts';
import { createGraphBuilder, opsetNeeded } from './graph-builder.ts';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProto_DataType as TYPE,
  type ValueInfoProto,
} from './onnx_pb.ts';
import { makeNode, makeValueInfo } from './proto-parts.ts';
import { raisedOpset } from './raise-opset.ts';
import type { OnnxModel } from './read-model.ts';
import { renameOutput } from './rename-tensors.ts';
import { type TappedGraph, tapHead, tappedOutputs, writeTapped } from './tapped-graph.ts';

/** A calibrated detector, to be written as ONNX nodes. */
interface DetectorParts {
  readonly detector: Detector;
  /** What its fit returned. */
  readonly tensors: Tensors;
  /** The threshold: samples with a score below it are out-of-distribution. */
  readonly gamma: number;
  /** Entries of metadata_props; none by default. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The user's model with the detector behind it, in standard operators. Input: the user's, as `found.feed`. Outputs:
 *
 * - `logits` float32 [N, C] and `features` float32 [N, L]
 * - `predicted_class` int64 [N], the argmax of the logits (ties: the lowest index)
 * - `score` float64 [N], higher = more in-distribution. In float64 like our own scores and γ, so that a decision
 *   does not hang on a rounding
 * - `is_ood` bool [N]: the score is below γ or not a number, the cosine is not above 0, or the method refuses the class
 * - `cosine` float32 [N], for methods that have one
 *
 * The opset stays the user's where it is at least what the detector's operators need (9 for most methods).
 * @returns the bytes of an ONNX file; the same arguments always give the same bytes
 * Throws `unsupported` for a method without a closed graph and for a model whose opset cannot be raised,
 * `bad-artifact` when a tensor is missing, `bad-model` when the result would not fit into one file of 2 GiB.
 */
export function buildDetectorModel({
  model,
  found,
  ...parts
}: DetectorParts & { readonly model: OnnxModel; readonly found: FoundHead }): Uint8Array {
  const needed = opsetNeeded(operatorsOf(found.head, parts));
  const tapped = tapHead(model, found);
  const opset = raisedOpset(model, tapped.graph, needed);
  const { features, logits } = tappedOutputs(tapped, found);
  const outputs = addDetector(tapped, opset, found.head, parts);
  return writeTapped(model.proto, tapped, [logits, ...outputs, features], {
    opset,
    irVersion: Math.max(4, model.irVersion),
    metadata: parts.metadata ?? {},
  });
}

/**
 * The detector alone, from features: input `features` float32 [N, L], outputs as {@link buildDetectorModel} but for
 * the features. For scoring many rows at once. Throws as that does.
 */
export function buildHeadModel({ head, ...parts }: DetectorParts & { readonly head: Head }): Uint8Array {
  const graph = create(GraphProtoSchema, { name: 'himplos' });
  graph.input.push(makeValueInfo('features', TYPE.FLOAT, ['N', head.width]));
  const taken = new Set(['features', 'logits', 'predicted_class', 'score', 'is_ood', 'cosine']);
  const tapped: TappedGraph = { graph, nodes: [], initializers: [], taken, batch: 'N' };
  const opset = Math.max(HEAD_MODEL_OPSET, opsetNeeded(operatorsOf(head, parts)));
  addLogits(tapped, createGraphBuilder(tapped, opset), head);
  const outputs = addDetector(tapped, opset, head, parts);
  const logits = makeValueInfo('logits', TYPE.FLOAT, ['N', head.classes]);
  const proto = create(ModelProtoSchema, { producerName: 'himplos' });
  return writeTapped(proto, tapped, [logits, ...outputs], {
    opset,
    irVersion: HEAD_MODEL_IR,
    metadata: parts.metadata ?? {},
  });
}

/** Read by every runtime since 2020. */
const HEAD_MODEL_OPSET = 13;
const HEAD_MODEL_IR = 7;

function addLogits(tapped: TappedGraph, builder: GraphBuilder, head: Head): void {
  const weight = builder.constant(f32(head.weight, head.classes, head.width));
  const bias = builder.constant(f32(head.bias, head.classes));
  tapped.nodes.push(makeNode('Gemm', ['features', weight, bias], ['logits'], { transB: 1 }));
}

/** Adds `predicted_class`, `score`, `is_ood` and `cosine` behind `features` and `logits`, and declares them. */
function addDetector(
  tapped: TappedGraph,
  opset: number,
  head: Head,
  { detector, tensors, gamma }: DetectorParts,
): ValueInfoProto[] {
  const builder = createGraphBuilder(tapped, opset);
  const finish = (type: string, inputs: string[], output: string, attributes = {}) =>
    tapped.nodes.push(makeNode(type, inputs, [output], attributes));

  finish('ArgMax', ['logits'], 'predicted_class', { axis: 1, keepdims: 0 });
  const inputs = { features: 'features', logits: 'logits', predicted: 'predicted_class' };
  const { score, cosine } = requireGraph(detector)(builder, inputs, head, tensors);

  renameOutput(tapped.nodes, score, 'score');
  // Not "less than γ": no comparison holds for what is not a number.
  const below = builder.constant(f64(Float64Array.of(nextBelow(gamma))));
  const reaches = builder.op('Greater', ['score', below]);
  const declared = [
    makeValueInfo('predicted_class', TYPE.INT64, [tapped.batch]),
    makeValueInfo('score', TYPE.DOUBLE, [tapped.batch]),
    makeValueInfo('is_ood', TYPE.BOOL, [tapped.batch]),
  ];
  if (cosine === undefined) {
    const refused = detector.refusedClasses?.(head, tensors);
    if (refused?.includes(1) !== true) finish('Not', [reaches], 'is_ood');
    else {
      const classes = builder.constant(u8(refused, head.classes), true);
      const isRefused = builder.op('Gather', [classes, 'predicted_class'], { axis: 0 });
      finish('Or', [builder.op('Not', [reaches]), isRefused], 'is_ood');
    }
    return declared;
  }
  renameOutput(tapped.nodes, cosine, 'cosine');
  const zero = builder.constant(f32(Float32Array.of(0)));
  const isSimilar = builder.op('Greater', ['cosine', zero]);
  finish('Not', [builder.op('And', [reaches, isSimilar])], 'is_ood');
  return [...declared, makeValueInfo('cosine', TYPE.FLOAT, [tapped.batch])];
}

/** The largest float64 below a finite one: greater than it is the same as at least `value`. */
function nextBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  const bits = new BigInt64Array(Float64Array.of(value).buffer);
  bits[0]! += value > 0 ? -1n : 1n;
  return new Float64Array(bits.buffer)[0]!;
}

/** The operators a detector's graph consists of, ours around it included. */
function operatorsOf(head: Head, { detector, tensors }: DetectorParts): Set<string> {
  const seen = new Set<string>();
  const name = 'value';
  const ops = (type: string, _inputs: readonly string[], outputs: number): string[] => {
    seen.add(type);
    return new Array(outputs).fill(name);
  };
  const recorder: GraphBuilder = {
    op: (type, inputs) => ops(type, inputs, 1)[0]!,
    ops,
    constant: () => name,
  };
  requireGraph(detector)(recorder, { features: name, logits: name, predicted: name }, head, tensors);
  return seen;
}

function requireGraph(detector: Detector): NonNullable<Detector['graph']> {
  if (detector.graph === undefined) {
    throw new HimplosError('unsupported', `${detector.spec}: this method has no form as an ONNX graph`, {
      hint: 'score with himplos itself: it keeps the features model and the stored tensors',
    });
  }
  return detector.graph.bind(detector);
}
