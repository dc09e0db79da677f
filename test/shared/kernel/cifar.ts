import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { readModel } from '../../../calibrate/onnx/read-model.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import { realData } from '../../real-data.ts';
import { cifarFeatures } from './heads.ts';

/** The head of the CIFAR-10 benchmark's model. */
export async function cifarHead(): Promise<Head> {
  return findHead(await readModel(realData('cifar10/model.onnx'))).head;
}

/** Class means of the benchmark's training features, C × L. */
export function cifarPrototypes({ classes, width }: Head): Float32Array {
  const { data } = cifarFeatures('train.features');
  const sums = new Float64Array(classes * width);
  // Training rows come in the order of the classes, 500 each.
  for (let i = 0; i < data.length; i++)
    sums[Math.floor(i / (500 * width)) * width + (i % width)]! += data[i]!;
  return Float32Array.from(sums, (sum) => sum / 500);
}
