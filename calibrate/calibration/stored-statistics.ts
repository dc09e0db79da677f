import type { LoadedDetector } from '../../shared/artifact/load-detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Detector } from '../../shared/methods/contract.ts';
import { parseSpec } from '../../shared/methods/spec.ts';
import { type ClassSums, classSums } from '../../shared/statistics/class-sums.ts';
import type { StatisticResults } from '../../shared/statistics/contract.ts';
import { activationQuantiles, type Quantiles } from '../../shared/statistics/quantiles.ts';
import type { Tensors } from '../../shared/tensor.ts';

/** What a detector stores of its training data, on disk or about to be written. */
type FittedDetector = Pick<LoadedDetector, 'head' | 'tensors'> & {
  readonly document: Pick<LoadedDetector['document'], 'method' | 'data'>;
};

/**
 * Fits a method from what a stored detector knows of its training data: its own tensors when it is the very method,
 * else the class means (`prototypes` with the class counts) and the percentile behind its clip.
 * Throws `not-found` naming the statistic that is not stored.
 */
export function fitFromStored(detector: Detector, stored: FittedDetector): Tensors {
  if (detector.spec === stored.document.method) return stored.tensors;
  const known: StatisticResults = knownStatistics(stored);
  const fit = detector.fit({
    head: stored.head,
    trainRows: stored.document.data.train.count,
    warn: () => {},
  });
  let step = fit.next();
  while (!step.done) {
    const results = Object.entries(step.value).map(([name, { key }]) => {
      if (Object.hasOwn(known, key)) return [name, known[key]] as const;
      throw notStored(detector.spec, key.split(':')[0]!);
    });
    step = fit.next(Object.fromEntries(results));
  }
  return step.value;
}

function knownStatistics({ head, tensors, document }: FittedDetector): StatisticResults {
  const { prototypes, clip } = tensors;
  const { perClass } = document.data.train;
  const known: Record<string, unknown> = {};
  if (prototypes?.dtype === 'F32' && perClass !== null) {
    const { classes, width } = head;
    const sums = Float64Array.from(prototypes.data, (mean, i) => mean * perClass[Math.floor(i / width)]!);
    const result: ClassSums = { classes, width, counts: Float64Array.from(perClass), sums };
    known[classSums.key] = result;
  }
  const percentile = /^p(.+)$/.exec(parseSpec(document.method).given.clip ?? '')?.[1];
  if (clip?.dtype === 'F64' && percentile !== undefined) {
    const fraction = Number(percentile) / 100;
    const at = (wanted: number) => {
      if (wanted === fraction) return clip.data[0]!;
      throw notStored(`clip=p${100 * wanted}`, `percentile ${100 * wanted} of the activations`);
    };
    known[activationQuantiles.key] = { at } satisfies Pick<Quantiles, 'at'>;
  }
  return known;
}

function notStored(what: string, statistic: string): HimplosError {
  return new HimplosError(
    'not-found',
    `${what} needs the statistic ${statistic}, which the detector does not store`,
    {
      hint: 'compare fits every method from --train; or calibrate a detector with this method',
    },
  );
}
