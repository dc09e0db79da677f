import { HimplosError } from '../../shared/errors.ts';
import { badModel, quoted } from './bad-model.ts';
import { type TensorProto, TensorProto_DataLocation, TensorProto_DataType } from './onnx_pb.ts';

/** Numbers of a constant. bfloat16 and float16 are widened to float32, int64 and uint64 to float64. */
type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** A constant of a graph. */
export interface Constant {
  readonly shape: readonly number[];
  /** Its ONNX element type, one of TensorProto_DataType. */
  readonly type: number;
  /** C order, as many as the product of `shape`. */
  readonly values: NumericArray;
}

const TYPE = TensorProto_DataType;

const ELEMENT_BYTES: Readonly<Record<number, number>> = {
  [TYPE.FLOAT]: 4,
  [TYPE.UINT8]: 1,
  [TYPE.INT8]: 1,
  [TYPE.UINT16]: 2,
  [TYPE.INT16]: 2,
  [TYPE.INT32]: 4,
  [TYPE.INT64]: 8,
  [TYPE.BOOL]: 1,
  [TYPE.FLOAT16]: 2,
  [TYPE.DOUBLE]: 8,
  [TYPE.UINT32]: 4,
  [TYPE.UINT64]: 8,
  [TYPE.BFLOAT16]: 2,
};

/** An element type as people write it, e.g. `float32`; `type 17` for one this program does not read. */
export function elementTypeName(type: number): string {
  const name = Object.entries(TYPE).find(([, value]) => value === type)?.[0];
  if (name === undefined) return `type ${type}`;
  return name === 'FLOAT' ? 'float32' : name === 'DOUBLE' ? 'float64' : name.toLowerCase();
}

/** Bytes that a tensor's shape and type ask for; undefined for types that this program does not read. */
export function storedBytes(tensor: TensorProto): number | undefined {
  const bytes = ELEMENT_BYTES[tensor.dataType];
  return bytes === undefined ? undefined : bytes * countElements(tensorShape(tensor), tensor);
}

/** A tensor's shape. Throws `bad-model` for negative or absurd sizes. */
function tensorShape(tensor: TensorProto): number[] {
  const shape = tensor.dims.map(Number);
  if (shape.length > 16 || shape.some((size) => !(size >= 0 && size <= 2 ** 40))) {
    throw badModel(`tensor ${quoted(tensor.name)}: expected a shape, got [${shape.slice(0, 16).join(', ')}]`);
  }
  return shape;
}

/**
 * A tensor's numbers, whichever field of the message holds them.
 * Throws `bad-model` when their count does not fit the shape, `unsupported` for element types that are not read.
 */
export function tensorValues(tensor: TensorProto): Constant {
  const shape = tensorShape(tensor);
  const type = tensor.dataType;
  const bytesEach = ELEMENT_BYTES[type];
  if (bytesEach === undefined) {
    throw new HimplosError(
      'unsupported',
      `tensor ${quoted(tensor.name)}: expected numbers, got elements of ${elementTypeName(type)}`,
    );
  }
  if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    throw badModel(`tensor ${quoted(tensor.name)}: its external data has not been read`);
  }
  const elements = countElements(shape, tensor);
  const values =
    tensor.rawData.length > 0
      ? fromRaw(tensor, type, requireCount(tensor, elements, tensor.rawData.length / bytesEach))
      : fromFields(tensor, type, elements);
  return { shape, type, values };
}

function fromRaw(tensor: TensorProto, type: number, elements: number): NumericArray {
  const { buffer } = tensor.rawData.slice(); // a copy is aligned, a view of the file need not be
  switch (type) {
    case TYPE.FLOAT:
      return new Float32Array(buffer);
    case TYPE.DOUBLE:
      return new Float64Array(buffer);
    case TYPE.FLOAT16:
      return new Float32Array(new Float16Array(buffer));
    case TYPE.BFLOAT16:
      return fromBfloat16(new Uint16Array(buffer));
    case TYPE.INT8:
      return new Int8Array(buffer);
    case TYPE.INT16:
      return new Int16Array(buffer);
    case TYPE.UINT16:
      return new Uint16Array(buffer);
    case TYPE.INT32:
      return new Int32Array(buffer);
    case TYPE.UINT32:
      return new Uint32Array(buffer);
    case TYPE.INT64:
    case TYPE.UINT64: {
      const longs = type === TYPE.INT64 ? new BigInt64Array(buffer) : new BigUint64Array(buffer);
      const values = new Float64Array(elements);
      for (let i = 0; i < elements; i++) values[i] = Number(longs[i]!);
      return values;
    }
    default:
      return new Uint8Array(buffer);
  }
}

function fromFields(tensor: TensorProto, type: number, elements: number): NumericArray {
  const ready = (values: readonly unknown[]) => requireCount(tensor, elements, values.length);
  switch (type) {
    case TYPE.FLOAT:
      ready(tensor.floatData);
      return new Float32Array(tensor.floatData);
    case TYPE.DOUBLE:
      ready(tensor.doubleData);
      return new Float64Array(tensor.doubleData);
    case TYPE.INT64:
      ready(tensor.int64Data);
      return Float64Array.from(tensor.int64Data, Number);
    case TYPE.UINT32:
    case TYPE.UINT64:
      ready(tensor.uint64Data);
      return Float64Array.from(tensor.uint64Data, Number);
    case TYPE.FLOAT16:
    case TYPE.BFLOAT16: {
      ready(tensor.int32Data); // bits of the value in the lower half
      const bits = new Uint16Array(tensor.int32Data);
      return type === TYPE.BFLOAT16 ? fromBfloat16(bits) : new Float32Array(new Float16Array(bits.buffer));
    }
    case TYPE.INT8:
      ready(tensor.int32Data);
      return new Int8Array(tensor.int32Data);
    case TYPE.INT16:
      ready(tensor.int32Data);
      return new Int16Array(tensor.int32Data);
    case TYPE.UINT16:
      ready(tensor.int32Data);
      return new Uint16Array(tensor.int32Data);
    case TYPE.INT32:
      ready(tensor.int32Data);
      return new Int32Array(tensor.int32Data);
    default:
      ready(tensor.int32Data);
      return new Uint8Array(tensor.int32Data);
  }
}

/** bfloat16 is the upper half of a float32. */
function fromBfloat16(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return new Float32Array(wide.buffer);
}

function countElements(shape: readonly number[], tensor: TensorProto): number {
  const elements = shape.reduce((product, size) => product * size, 1);
  if (elements > 2 ** 40) throw badModel(`tensor ${quoted(tensor.name)}: a shape of ${elements} elements`);
  return elements;
}

function requireCount(tensor: TensorProto, expected: number, got: number): number {
  if (got !== expected) {
    throw badModel(
      `tensor ${quoted(tensor.name)}: expected ${expected} values for its shape, got data for ${got}`,
    );
  }
  return expected;
}
