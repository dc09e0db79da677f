import { create, toBinary } from '@bufbuild/protobuf';
import {
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProto_DataType as TYPE,
  ValueInfoProtoSchema,
} from '../../../calibrate/onnx/onnx_pb.ts';
import { makeTensor, makeValueInfo } from '../../../calibrate/onnx/proto-parts.ts';
import type { OnnxModel } from '../../../calibrate/onnx/read-model.ts';
import { randomNormals } from '../../shared/random.ts';

/** A small graph as a test writes it down. */
export interface SmallGraph {
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
  /** Sizes of the input `x`, float32 unless `inputType` says otherwise. */
  readonly input: readonly (number | string)[];
  readonly inputType?: number;
  /** Names of the outputs; their shapes are left to the runtime. */
  readonly outputs: readonly string[];
  readonly opset?: number;
  readonly irVersion?: number;
  /** Whether the initialisers are declared as inputs, as they were before IR version 4. */
  readonly initializersAsInputs?: boolean;
}

/** The graph as a model. */
export function smallModel(graph: SmallGraph): OnnxModel {
  const { nodes, initializers, input, inputType = TYPE.FLOAT, outputs, opset = 13, irVersion = 7 } = graph;
  const declared = initializers.map(({ name, dataType, dims }) =>
    makeValueInfo(name, dataType, dims.map(Number)),
  );
  const proto = create(ModelProtoSchema, {
    irVersion: BigInt(irVersion),
    opsetImport: [create(OperatorSetIdProtoSchema, { version: BigInt(opset) })],
    graph: {
      name: 'small',
      node: [...nodes],
      initializer: [...initializers],
      input: [makeValueInfo('x', inputType, input), ...(graph.initializersAsInputs ? declared : [])],
      output: outputs.map((name) => shapeless(name, inputType)),
    },
  });
  return modelOf(proto);
}

function shapeless(name: string, elemType: number) {
  const type = { value: { case: 'tensorType', value: { elemType } } } as const;
  return create(ValueInfoProtoSchema, { name, type });
}

/** A parsed model without a file. */
export function modelOf(proto: ModelProto): OnnxModel {
  const opset = Number(proto.opsetImport[0]?.version ?? 1n);
  return {
    path: 'small.onnx',
    proto,
    digest: '',
    name: 'small.onnx',
    opset,
    irVersion: Number(proto.irVersion),
  };
}

/** The bytes of a model. */
export function encodeModel({ proto }: OnnxModel): Uint8Array {
  return toBinary(ModelProtoSchema, proto);
}

/** A float32 initialiser. */
export function floats(name: string, shape: readonly number[], values: ArrayLike<number>): TensorProto {
  return makeTensor(name, TYPE.FLOAT, shape, Float32Array.from(values));
}

/** Seeded normal numbers. */
export function normals(count: number, seed: number): Float32Array {
  const normal = randomNormals(seed);
  return Float32Array.from({ length: count }, normal);
}

/** The transpose of a rows × columns matrix. */
export function transpose(matrix: ArrayLike<number>, rows: number, columns: number): Float32Array {
  return Float32Array.from(
    { length: rows * columns },
    (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!,
  );
}
