import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decodeNpy } from '../../../shared/formats/npy.ts';

/** What an output may hold; booleans come as bytes. */
export type OutputData = Float32Array | Float64Array | BigInt64Array | Uint8Array;

/** Runs a serialised model on one float32 input, on the CPU with one thread, and gives back every output's data. */
export async function runModel(
  model: Uint8Array,
  input: string,
  data: Float32Array,
  dims: readonly number[],
): Promise<Record<string, OutputData>> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  try {
    const results = await session.run({ [input]: new Tensor('float32', data, dims) });
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data])) as never;
  } finally {
    await session.release();
  }
}

/** Reads a float32 array that numpy.save wrote. */
export function readFloats(path: string): { readonly data: Float32Array; readonly shape: readonly number[] } {
  const tensor = decodeNpy(readFileSync(path));
  if (tensor.dtype !== 'F32') throw new Error(`${path}: expected float32, got ${tensor.dtype}`);
  return { data: tensor.data, shape: tensor.shape };
}

/** The largest absolute difference of two arrays of equal length. */
export function largestDifference(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  if (a.length !== b.length) throw new Error(`expected ${b.length} values, got ${a.length}`);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(Number(a[i]) - Number(b[i]));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
