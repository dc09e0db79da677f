import { f64 } from '../tensor.ts';
import type { GraphBuilder, GraphValue } from './contract.ts';

/** A float64 number. */
export function graphNumber(builder: GraphBuilder, value: number): GraphValue {
  return builder.constant(f64(Float64Array.of(value)));
}

/** Row sums of float64 [N, columns] → [N, 1]: a product with ones, which unlike ReduceSum has one form in every opset. */
export function graphRowSums(builder: GraphBuilder, x: GraphValue, columns: number): GraphValue {
  return builder.op('MatMul', [x, builder.constant(f64(new Float64Array(columns).fill(1), columns, 1))]);
}

/** [N, 1] → [N]. */
export function graphFlat(builder: GraphBuilder, x: GraphValue): GraphValue {
  return builder.op('Reshape', [x, graphSizes(builder, -1)]);
}

/** Whole numbers, for shapes and counts. */
export function graphSizes(builder: GraphBuilder, ...sizes: number[]): GraphValue {
  return builder.constant({ dtype: 'I64', data: BigInt64Array.from(sizes, BigInt), shape: [sizes.length] });
}
