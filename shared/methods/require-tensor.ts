import { HimplosError } from '../errors.ts';
import type { Tensor, Tensors } from '../tensor.ts';

type DataOf<D extends Tensor['dtype']> = Extract<Tensor, { dtype: D }>['data'];

/** The data of a method's tensor. Throws `bad-artifact` when it is absent or of another type or shape. */
export function requireTensor<D extends Tensor['dtype']>(
  tensors: Tensors,
  name: string,
  dtype: D,
  shape: readonly number[],
): DataOf<D> {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name]! : undefined;
  const isRight =
    tensor?.dtype === dtype &&
    `${tensor.shape}` === `${shape}` &&
    tensor.data.length === shape.reduce((product, side) => product * side, 1);
  if (isRight) return tensor.data as DataOf<D>;
  const got = tensor === undefined ? 'none' : `${tensor.dtype} [${tensor.shape}]`;
  throw new HimplosError('bad-artifact', `tensor ${name}: expected ${dtype} [${shape}], got ${got}`, {
    hint: 'calibrate again: the detector belongs to another method or head',
  });
}
