import { create, toBinary } from '@bufbuild/protobuf';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { createGraphBuilder } from '../../../calibrate/onnx/graph-builder.ts';
import { GraphProtoSchema, ModelProtoSchema, TensorProto_DataType } from '../../../calibrate/onnx/onnx_pb.ts';
import { makeNode, makeValueInfo } from '../../../calibrate/onnx/proto-parts.ts';
import type { TappedGraph } from '../../../calibrate/onnx/tapped-graph.ts';
import type { Detector, Head } from '../../../shared/methods/contract.ts';
import { f32, type Tensors } from '../../../shared/tensor.ts';

/** Scores rows with the detector's own graph in onnxruntime, from float32 features on. */
export async function scoreWithGraph(
  detector: Detector,
  head: Head,
  tensors: Tensors,
  features: Float32Array,
  rows: number,
  opset = 17,
): Promise<{ readonly score: Float64Array; readonly cosine: Float32Array | undefined }> {
  const { classes, width } = head;
  const graph = create(GraphProtoSchema, { name: 'detector' });
  const tapped: TappedGraph = { graph, nodes: [], initializers: [], taken: new Set(), batch: 'n' };
  const builder = createGraphBuilder(tapped, opset);
  const weight = builder.constant(f32(head.weight, classes, width));
  const logits = builder.op('Gemm', ['features', weight, builder.constant(f32(head.bias, classes))], {
    transB: 1,
  });
  const predicted = builder.op('ArgMax', [logits], { axis: 1, keepdims: 0 });
  const out = detector.graph!(builder, { features: 'features', logits, predicted }, head, tensors);
  tapped.nodes.push(makeNode('Identity', [out.score], ['score']));
  const output = [makeValueInfo('score', TensorProto_DataType.DOUBLE, ['n'])];
  if (out.cosine !== undefined) {
    tapped.nodes.push(makeNode('Identity', [out.cosine], ['cosine']));
    output.push(makeValueInfo('cosine', TensorProto_DataType.FLOAT, ['n']));
  }
  graph.node = tapped.nodes;
  graph.initializer = tapped.initializers;
  graph.input = [makeValueInfo('features', TensorProto_DataType.FLOAT, ['n', width])];
  graph.output = output;
  const opsetImport = [{ domain: '', version: BigInt(opset) }];
  const model = create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph });
  const session = await InferenceSession.create(toBinary(ModelProtoSchema, model), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds = { features: new OrtTensor('float32', features, [rows, width]) };
  const fetched = await session.run(feeds);
  await session.release();
  for (const [name, { dims }] of Object.entries(fetched)) {
    if (`${dims}` !== `${rows}`) throw new Error(`${name}: expected ${rows} values, got shape [${dims}]`);
  }
  return {
    score: fetched.score!.data as Float64Array,
    cosine: fetched.cosine?.data as Float32Array | undefined,
  };
}
