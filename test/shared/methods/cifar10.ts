import { readFileSync } from 'node:fs';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { readModel } from '../../../calibrate/onnx/read-model.ts';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import { realData } from '../../real-data.ts';
import type { LabelledFeatures } from './sample-problem.ts';

/** The names of the benchmark's OOD sets. */
export const OOD_SETS = ['textures', 'houses_crop', 'mnist', 'tinyimagenet32', 'flowers'] as const;

/** The CIFAR-10 benchmark: head and penultimate features. */
export interface Cifar10 {
  readonly head: Head;
  readonly train: LabelledFeatures;
  readonly calibration: LabelledFeatures;
  readonly test: LabelledFeatures;
  readonly ood: Readonly<Record<string, LabelledFeatures>>;
}

/** Reads the benchmark (needs the real data). */
export async function readCifar10(): Promise<Cifar10> {
  const { head } = findHead(await readModel(realData('cifar10/model.onnx')));
  return {
    head,
    train: readSet('train'),
    calibration: readSet('calibration'),
    test: readSet('test'),
    ood: Object.fromEntries(OOD_SETS.map((name) => [name, readSet(name, false)])),
  };
}

function readSet(name: string, isLabelled = true): LabelledFeatures {
  const tensor = decodeNpy(readFileSync(realData(`cifar10/features/${name}.features.npy`)));
  const rows = tensor.shape[0]!;
  const labels = isLabelled
    ? Int32Array.from(
        decodeNpy(readFileSync(realData(`cifar10/features/${name}.labels.npy`))).data as BigInt64Array,
        Number,
      )
    : new Int32Array(rows).fill(-1);
  return { rows, features: tensor.data as Float32Array, labels };
}
