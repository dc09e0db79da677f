import { TensorProto_DataType as TYPE } from './onnx_pb.ts';
import type { Constant } from './tensor-values.ts';

/**
 * DequantizeLinear: (x − zero point) · scale, with one scale for the tensor or one for each index along `axis`.
 * https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
 * Undefined when scale and zero point do not fit the shape.
 */
export function dequantize(
  x: Constant,
  scale: Constant,
  zeroPoint: Constant | undefined,
  axis: number,
): Constant | undefined {
  const group = grouping(x, scale, zeroPoint, axis);
  if (group === undefined) return undefined;
  const values = new Float32Array(x.values.length);
  for (let i = 0; i < values.length; i++) {
    const g = group(i);
    values[i] = (x.values[i]! - (zeroPoint?.values[g] ?? 0)) * scale.values[g]!;
  }
  return { shape: x.shape, type: scale.type, values };
}

/**
 * QuantizeLinear to int8 or uint8: round(x / scale) half to even, plus the zero point, saturated.
 * https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
 * Undefined for other types, or when scale and zero point do not fit the shape.
 */
export function quantize(
  x: Constant,
  scale: Constant,
  zeroPoint: Constant | undefined,
  axis: number,
): Constant | undefined {
  const group = grouping(x, scale, zeroPoint, axis);
  const type = zeroPoint?.type ?? TYPE.UINT8;
  if (group === undefined || (type !== TYPE.UINT8 && type !== TYPE.INT8)) return undefined;
  const values = type === TYPE.INT8 ? new Int8Array(x.values.length) : new Uint8Array(x.values.length);
  const low = type === TYPE.INT8 ? -128 : 0;
  for (let i = 0; i < values.length; i++) {
    const g = group(i);
    const level = roundHalfToEven(Math.fround(x.values[i]! / scale.values[g]!)) + (zeroPoint?.values[g] ?? 0);
    values[i] = Math.min(low + 255, Math.max(low, level));
  }
  return { shape: x.shape, type, values };
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Maps an element's position to the position of its scale. */
function grouping(
  x: Constant,
  scale: Constant,
  zeroPoint: Constant | undefined,
  axis: number,
): ((i: number) => number) | undefined {
  const groups = scale.values.length;
  if (zeroPoint !== undefined && zeroPoint.values.length !== groups) return undefined;
  if (groups === 1) return () => 0;
  const at = axis < 0 ? axis + x.shape.length : axis;
  if (x.shape[at] !== groups) return undefined;
  const inner = x.shape.slice(at + 1).reduce((product, size) => product * size, 1);
  return (i) => Math.floor(i / inner) % groups;
}
