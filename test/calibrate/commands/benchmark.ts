import { readFileSync } from 'node:fs';
import { realData, reference } from '../../real-data.ts';
import { OOD_SETS } from '../../shared/methods/cifar10.ts';

/** A file of penultimate features of the CIFAR-10 benchmark, as a source; with labels where the set has any. */
export function featuresOf(set: string): string {
  const path = (kind: string) => realData(`cifar10/features/${set}.${kind}.npy`);
  const isOod = (OOD_SETS as readonly string[]).includes(set);
  return isOod ? path('features') : `${path('features')}:${path('labels')}`;
}

/** An archive of images of the CIFAR-10 benchmark. */
export function imagesOf(set: string): string {
  const isOod = (OOD_SETS as readonly string[]).includes(set);
  return realData(`cifar10/${isOod ? 'ood/' : ''}${set}.tar.gz`);
}

/** `--ood` for every OOD set of the benchmark. */
export function oodOptions(source: (set: string) => string): string[] {
  return OOD_SETS.flatMap((set) => ['--ood', `${set}=${source(set)}`]);
}

/** The reference's FPR95 and AUROC in percent, by row and OOD set (or `average`). */
export function readReference(
  file = 'cifar10.results.json',
): Readonly<Record<string, Readonly<Record<string, { readonly FPR95: number; readonly AUROC: number }>>>> {
  const { methods } = JSON.parse(readFileSync(reference(file), 'utf8'));
  return Object.fromEntries(
    Object.entries(methods as Record<string, { results: never }>).map(([row, { results }]) => [row, results]),
  );
}
