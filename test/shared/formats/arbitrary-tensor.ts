import fc from 'fast-check';
import type { Tensor } from '../../../shared/tensor.ts';

/** Any small tensor: every element type, 0 to 3 dimensions, zeros among them, any bits but NaN payloads. */
export function arbitraryTensor(): fc.Arbitrary<Tensor> {
  return fc.array(fc.nat({ max: 4 }), { maxLength: 3 }).chain((shape) => {
    const length = shape.reduce((product, dimension) => product * dimension, 1);
    const size = { minLength: length, maxLength: length };
    return fc.oneof(
      fc.float32Array(size).map((data): Tensor => ({ dtype: 'F32', shape, data })),
      fc.float64Array(size).map((data): Tensor => ({ dtype: 'F64', shape, data })),
      fc.int32Array(size).map((data): Tensor => ({ dtype: 'I32', shape, data })),
      fc.bigInt64Array(size).map((data): Tensor => ({ dtype: 'I64', shape, data })),
      fc.uint8Array(size).map((data): Tensor => ({ dtype: 'U8', shape, data })),
    );
  });
}
