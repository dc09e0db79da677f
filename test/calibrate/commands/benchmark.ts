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

/** Rows of the reference table and the specs that mean the same. */
export const REFERENCE_SPECS: Readonly<Record<string, string>> = {
  MSP: 'msp',
  ODIN: 'odin',
  Energy: 'energy',
  MaxLogit: 'maxlogit',
  HIMPLoS: 'himplos:mask=50,clip=p90',
  'HIMPLoS(1.0)': 'himplos:mask=50,clip=1.0',
  'abl:LS': 'himplos:mask=none,clip=none',
  'abl:FM': 'himplos:mask=50,clip=none,smoothing=none',
  'abl:ReAct+FM': 'himplos:mask=50,clip=p90,smoothing=none',
  'abl:ReAct+LS': 'himplos:mask=none,clip=p90',
  'abl:FM+LS': 'himplos:mask=50,clip=none',
  'abl:cosine only': 'cosine',
  'enh:alpha=1': 'himplos:mask=50,clip=p90,smoothing=enhance:1',
  'enh:alpha=5': 'himplos:mask=50,clip=p90,smoothing=enhance:5',
  'enh:alpha=10': 'himplos:mask=50,clip=p90,smoothing=enhance:10',
  'enh:alpha=20': 'himplos:mask=50,clip=p90,smoothing=enhance:20',
  'enh:alpha=50': 'himplos:mask=50,clip=p90,smoothing=enhance:50',
  'enh:alpha=100': 'himplos:mask=50,clip=p90,smoothing=enhance:100',
  'MSP+HIMPLoS': 'himplos:mask=50,clip=p90,score=msp',
  'ODIN+HIMPLoS': 'himplos:mask=50,clip=p90,score=odin',
};

/** The reference's FPR95 and AUROC in percent, by row and OOD set (or `average`). */
export function readReference(): Readonly<
  Record<string, Readonly<Record<string, { readonly FPR95: number; readonly AUROC: number }>>>
> {
  const { methods } = JSON.parse(readFileSync(reference('cifar10.results.json'), 'utf8'));
  return Object.fromEntries(
    Object.entries(methods as Record<string, { results: never }>).map(([row, { results }]) => [row, results]),
  );
}
