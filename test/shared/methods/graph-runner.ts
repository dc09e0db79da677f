import { create, toBinary } from '@bufbuild/protobuf';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import {
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProto_DataType,
} from '../../../calibrate/onnx/onnx_pb.ts';
import { makeNode, makeTensor, makeValueInfo } from '../../../calibrate/onnx/proto-parts.ts';
import type { Detector, GraphBuilder, Head } from '../../../shared/methods/contract.ts';
import { f32, type Tensors } from '../../../shared/tensor.ts';

const DATA_TYPES = {
  F32: TensorProto_DataType.FLOAT,
  F64: TensorProto_DataType.DOUBLE,
  I32: TensorProto_DataType.INT32,
  I64: TensorProto_DataType.INT64,
  U8: TensorProto_DataType.UINT8,
} as const;

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
  const node: NodeProto[] = [];
  const initializer: TensorProto[] = [];
  const builder: GraphBuilder = {
    op: (type, inputs, attributes) => builder.ops(type, inputs, 1, attributes)[0]!,
    ops: (type, inputs, outputs, attributes) => {
      const names = Array.from({ length: outputs }, (_, i) => `v${node.length}_${i}`);
      node.push(makeNode(type, inputs, names, attributes));
      return names;
    },
    constant: ({ dtype, data, shape }, asBool = false) => {
      const name = `c${initializer.length}`;
      initializer.push(makeTensor(name, asBool ? TensorProto_DataType.BOOL : DATA_TYPES[dtype], shape, data));
      return name;
    },
  };
  const weight = builder.constant(f32(head.weight, classes, width));
  const logits = builder.op('Gemm', ['features', weight, builder.constant(f32(head.bias, classes))], {
    transB: 1,
  });
  const predicted = builder.op('ArgMax', [logits], { axis: 1, keepdims: 0 });
  const out = detector.graph!(builder, { features: 'features', logits, predicted }, head, tensors);
  node.push(makeNode('Cast', [out.score], ['score'], { to: TensorProto_DataType.DOUBLE }));
  const output = [makeValueInfo('score', TensorProto_DataType.DOUBLE, ['n'])];
  if (out.cosine !== undefined) {
    node.push(makeNode('Identity', [out.cosine], ['cosine']));
    output.push(makeValueInfo('cosine', TensorProto_DataType.FLOAT, ['n']));
  }
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    graph: {
      name: 'detector',
      node,
      initializer,
      input: [makeValueInfo('features', TensorProto_DataType.FLOAT, ['n', width])],
      output,
    },
  });
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
