import { readFileSync } from 'node:fs';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import type { FittedDetector } from '../../../shared/kernel/prepare-scorer.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { packMasks } from '../../../shared/methods/shaping/mask.ts';
import { f32, f64, type Tensors, u8 } from '../../../shared/tensor.ts';
import { realData } from '../../real-data.ts';

/** A seeded source of numbers: `uniform` in [0, 1), `normal` of mean 0 and deviation 1. */
export interface Random {
  uniform(): number;
  normal(): number;
}

/** Mulberry32, and Box–Muller on top of it. */
export function seeded(seed: number): Random {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}

/** A head of normal weights, scaled so that logits are some units apart. */
export function randomHead(random: Random, classes: number, width: number): Head {
  const scale = 2 / Math.sqrt(width);
  return {
    classes,
    width,
    weight: Float32Array.from({ length: classes * width }, () => random.normal() * scale),
    bias: Float32Array.from({ length: classes }, () => random.normal() / 10),
  };
}

/** Rows × width features as a ReLU leaves them: a third of them 0. */
export function randomFeatures(random: Random, rows: number, width: number): Float32Array {
  return Float32Array.from({ length: rows * width }, () => Math.max(0, random.normal() + 0.4));
}

/** HIMPLoS with given parameters on a head: masks as its fit makes them, prototypes as given. */
export function fittedHimplos(
  head: Head,
  prototypes: Float32Array,
  { mask = 50, clip = 1, rest = '' }: { mask?: number; clip?: number; rest?: string } = {},
): FittedDetector {
  const tensors: Tensors = {
    ...(mask > 0 && { mask: u8(packMasks(head, mask), head.classes, Math.ceil(head.width / 8)) }),
    clip: f64(Float64Array.of(clip)),
    prototypes: f32(prototypes, head.classes, head.width),
  };
  return { detector: findDetector(`himplos:mask=${mask},clip=${clip}${rest}`), head, tensors };
}

/** Random prototypes: positive, as means of ReLU features are. */
export function randomPrototypes(random: Random, { classes, width }: Head): Float32Array {
  return Float32Array.from({ length: classes * width }, () => Math.abs(random.normal()) * 0.3 + 0.2);
}

/** Features of one set of the CIFAR-10 benchmark. */
export function cifarFeatures(set: string): { rows: number; width: number; data: Float32Array } {
  const { shape, data } = decodeNpy(readFileSync(realData('cifar10/features', `${set}.npy`)));
  return { rows: shape[0]!, width: shape[1]!, data: data as Float32Array };
}
