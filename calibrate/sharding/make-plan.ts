import { createHash } from 'node:crypto';
import { fingerprintHead } from '../../shared/artifact/detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import { tensorBytes } from '../../shared/formats/element-types.ts';
import type { InputOptions } from '../calibration/gather-inputs.ts';
import type { OpenInputs } from '../calibration/open-inputs.ts';
import { countSamples } from '../calibration/open-roles.ts';
import type { Role } from '../features/gather-set.ts';
import { toolVersion } from '../tool-version.ts';
import { digestOf, type Outline, type Plan } from './plan.ts';

/** What decides a calibration, apart from what was opened. */
export interface PlanOptions extends InputOptions {
  /** Spec of the method. */
  readonly method: string;
  readonly tpr: number;
  readonly name: string | null;
  readonly shards: number;
}

/** What all shards of a calibration have in common, as this one sees it. Throws `bad-input` for a source without samples. */
export async function makePlan(options: PlanOptions, opened: OpenInputs): Promise<Plan> {
  const { head, model, preprocessing, classNames, gathering } = opened;
  const { train, calibration, evaluation, ood } = opened;
  const outlines = {
    train: await outlineOf(train),
    calibration: await outlineOf(calibration),
    evaluation: evaluation === undefined ? null : await outlineOf(evaluation),
    ood: [] as (Outline & { name: string })[],
  };
  for (const { name, role } of ood) outlines.ood.push({ name, ...(await outlineOf(role)) });
  const all = [outlines.train, outlines.calibration, outlines.evaluation, ...outlines.ood];
  const { images } = gathering;
  return {
    formatVersion: 1,
    toolVersion,
    shards: options.shards,
    head: { classes: head.classes, width: head.width, fingerprint: await fingerprintHead(head), model },
    parameters: {
      method: options.method,
      tpr: options.tpr,
      name: options.name,
      headInput: options.headInput ?? null,
      allowMissingClasses: options.allowMissingClasses === true,
      allowOverlap: options.allowOverlap === true,
      skipBad: options.skipBad === true,
      preprocessing,
      images:
        images !== undefined && all.some((outline) => outline?.kind === 'images')
          ? { batch: images.extractor.batch, device: images.extractor.device }
          : null,
      classNames,
    },
    inputs: outlines,
  };
}

async function outlineOf({ name, source }: Role): Promise<Outline> {
  const { kind } = source;
  const samples = await countSamples(source);
  if (samples === 0) {
    throw new HimplosError('bad-input', `${name} ${source.address}: expected samples, got none`, {
      hint: 'himplos inspect says what a source holds',
    });
  }
  if (source.kind === 'features') {
    const { labels } = source;
    const bytes =
      labels === undefined ? '' : tensorBytes({ dtype: 'I32', data: labels, shape: [labels.length] });
    return { kind, samples, digest: createHash('sha256').update(bytes).digest('hex') };
  }
  const { classes } = await source.survey();
  return { kind, samples, digest: digestOf([...classes]) };
}
