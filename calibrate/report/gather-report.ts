import type { Scores } from '../../shared/methods/contract.ts';
import type { CalibrationData } from '../calibration/gather-inputs.ts';
import { countPerClass, type FeatureSet } from '../features/feature-set.ts';
import { toolVersion } from '../tool-version.ts';
import type { ReportData } from './report-data.ts';
import { reportPage } from './report-page.ts';
import { sampleRows } from './sampled-rows.ts';

/** What a command knows of its own run; the rest is in its inputs. */
export interface ReportFacts
  extends Pick<
    ReportData,
    'title' | 'summary' | 'results' | 'labels' | 'sweep' | 'threshold' | 'tuning' | 'ablation'
  > {
  /** The method to draw, with its scores of the sets in `inputs`. */
  readonly method: {
    readonly spec: string;
    readonly id: Scores;
    readonly ood: readonly { readonly name: string; readonly scores: Scores }[];
  };
  readonly thumbnails?: ReportData['thumbnails'];
}

/** Rows drawn as dots: enough to see shapes, few enough for a small file. */
const ID_DOTS = 1500;
const OOD_DOTS = 300;

/** The bytes of a report. Reads the ID set and the OOD sets once more, for the charts of features. */
export async function makeReport(facts: ReportFacts, inputs: CalibrationData): Promise<Uint8Array> {
  const { head, sets, classNames, model, preprocessing } = inputs;
  const { method, thumbnails = new Map() } = facts;
  const idSet = sets.evaluation ?? sets.calibration;
  const samples = [{ name: 'in-distribution', sample: await sampleRows(idSet, ID_DOTS) }];
  for (const { name, set } of sets.ood) samples.push({ name, sample: await sampleRows(set, OOD_DOTS) });
  const scored = (name: string, { labels, nameOf }: FeatureSet, scores: Scores) => ({
    name,
    labels,
    nameOf,
    scores,
  });
  const detailed = {
    spec: method.spec,
    id: scored('in-distribution', idSet, method.id),
    ood: sets.ood.map(({ name, set }, i) => scored(name, set, method.ood[i]!.scores)),
  };
  const summarise = (role: string, set: FeatureSet) => ({
    ...{ role, name: null, kind: set.kind, digest: set.digest, count: set.rows },
    perClass: countPerClass(set, head.classes),
  });
  const data = [
    summarise('train', sets.train),
    summarise('calibration', sets.calibration),
    ...(sets.evaluation === undefined ? [] : [summarise('evaluation', sets.evaluation)]),
    ...sets.ood.map(({ name, set }) => summarise(`OOD ${name}`, set)),
  ];
  const page = reportPage({
    ...facts,
    ...{ toolVersion, detailed, head, classNames, samples, model, preprocessing, data, thumbnails },
  });
  return new TextEncoder().encode(page);
}
