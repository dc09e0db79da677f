import { create } from '@bufbuild/protobuf';
import { badModel } from './bad-model.ts';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './onnx_pb.ts';

/** What a node's attribute may be given as: text, or numbers, which are integers unless {@link FLOAT_ATTRIBUTES} says otherwise. */
export type AttributeValue = number | string | readonly number[];

/** Attributes of standard operators that are floats even when their value is a whole number. */
const FLOAT_ATTRIBUTES = new Set(['alpha', 'beta', 'epsilon', 'lambd', 'bias', 'gamma', 'value_float']);
const FLOAT_LIST_ATTRIBUTES = new Set(['value_floats', 'scales']);

/** A node with its attributes in the order of their names, so that equal graphs have equal bytes. */
export function makeNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): NodeProto {
  const attribute = Object.keys(attributes)
    .sort()
    .map((name) => makeAttribute(name, attributes[name]!));
  return create(NodeProtoSchema, {
    opType,
    name: output[0]!.startsWith('himplos/') ? output[0]! : `himplos/${output[0]}`,
    input: [...input],
    output: [...output],
    attribute,
  });
}

function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  const TYPE = AttributeProto_AttributeType;
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: TYPE.STRING, s: new TextEncoder().encode(value) });
  }
  if (typeof value === 'number') {
    return FLOAT_ATTRIBUTES.has(name)
      ? create(AttributeProtoSchema, { name, type: TYPE.FLOAT, f: value })
      : create(AttributeProtoSchema, { name, type: TYPE.INT, i: BigInt(value) });
  }
  return FLOAT_LIST_ATTRIBUTES.has(name)
    ? create(AttributeProtoSchema, { name, type: TYPE.FLOATS, floats: [...value] })
    : create(AttributeProtoSchema, { name, type: TYPE.INTS, ints: value.map(BigInt) });
}

/** An initialiser from the bytes of its elements, little-endian. */
export function makeTensor(
  name: string,
  dataType: number,
  shape: readonly number[],
  data: ArrayBufferView,
): TensorProto {
  const rawData = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  return create(TensorProtoSchema, { name, dataType, dims: shape.map(BigInt), rawData });
}

/** An initialiser of int64 values: axes, shapes, positions. */
export function makeInt64(name: string, values: readonly number[], shape = [values.length]): TensorProto {
  return makeTensor(name, TensorProto_DataType.INT64, shape, BigInt64Array.from(values, BigInt));
}

/** Declares a tensor. A size is a number, the name of a size that may vary, or null for an unknown one. */
export function makeValueInfo(
  name: string,
  elemType: number,
  sizes: readonly (number | string | null)[],
): ValueInfoProto {
  const dim = sizes.map((size) => ({ value: dimensionValue(size) }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  });
}

function dimensionValue(size: number | string | null) {
  if (typeof size === 'number') return { case: 'dimValue', value: BigInt(size) } as const;
  if (size === null || size === '') return { case: undefined } as const;
  return { case: 'dimParam', value: size } as const;
}

/** A message that shares everything with another one, for changing some of its fields without touching that one. */
export function copyMessage<T extends object>(message: T): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message)), message);
}

/** A protobuf file ends at 2 GiB; what holds together by references inside one may be more when written out. */
const MAX_TENSOR_BYTES = 2 ** 31 - 2 ** 24;

/** Throws `bad-model` when the tensors are too much for one file. */
export function requireWritable(tensors: readonly TensorProto[]): void {
  let bytes = 0;
  for (const { rawData } of tensors) bytes += rawData.length;
  if (bytes > MAX_TENSOR_BYTES) {
    throw badModel(`its weights written into one file take ${bytes} bytes, expected less than 2 GiB`, {
      hint: 'store the weights as float16',
    });
  }
}
