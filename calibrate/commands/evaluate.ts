import { type LoadedDetector, loadDetector } from '../../shared/artifact/load-detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Detector, Scorer, Scores } from '../../shared/methods/contract.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import { ALL, chooseDetectors } from '../calibration/choose-method.ts';
import { describeOverlap, describeSkipped } from '../calibration/gather-inputs.ts';
import { labelIndex } from '../calibration/open-roles.ts';
import { scoreSet } from '../calibration/score-set.ts';
import { fitFromStored } from '../calibration/stored-statistics.ts';
import { gatherSet } from '../features/gather-set.ts';
import { openStoredImages } from '../features/stored-images.ts';
import { openWorkspace } from '../features/workspace.ts';
import type { Io } from '../io.ts';
import { parseNamedSources, type RunOptions } from '../options.ts';
import { formatResults, type ResultFormat } from '../results/format-results.ts';
import { measureId, separate } from '../results/measure.ts';
import type { Results } from '../results/results.ts';
import type { Source } from '../sources/contract.ts';
import { openSources } from '../sources/open-source.ts';
import { OverlapFinder } from '../sources/overlap.ts';
import { requireVacantFile, writeNewFile } from '../write-file.ts';

export interface EvaluateOptions extends RunOptions {
  readonly detector: string;
  readonly id: readonly string[];
  readonly ood: readonly string[];
  readonly methods?: readonly string[];
  readonly format: ResultFormat;
  readonly out?: string;
}

/** `himplos evaluate`: figures of a stored detector, and of other methods that its tensors allow. */
export async function evaluate(options: EvaluateOptions, io: Io): Promise<number> {
  if (options.out !== undefined) await requireVacantFile(options.out);
  const ood = parseNamedSources('--ood', options.ood);
  const stored = await loadDetector(openArtifactFolder(options.detector));
  const { detectors, scorers, skipped } = fitMethods(options.methods ?? [stored.document.method], stored);

  const idSource = await openSources(options.id, io);
  const oodSources: { name: string; source: Source }[] = [];
  for (const [name, addresses] of ood) oodSources.push({ name, source: await openSources(addresses, io) });
  const hasImages = [idSource, ...oodSources.map(({ source }) => source)].some(
    ({ kind }) => kind === 'images',
  );
  const images = hasImages ? await openStoredImages(options.detector, stored, options, io) : undefined;
  await using _extractor = images?.extractor;
  using workspace = await openWorkspace(options.cache);
  const { width, classes } = stored.head;
  const overlap = new OverlapFinder();
  const context = { images, width, classes, folder: workspace.folder, overlap, io };

  const idSet = await gatherSet(
    { name: 'id', source: idSource, indexOf: await labelIndex(idSource, stored.document.classNames) },
    context,
  );
  const sets = [idSet];
  const idScores = await scoreSet(idSet, stored.head, scorers, io);
  const oodScores: { name: string; scores: Scores[] }[] = [];
  for (const { name, source } of oodSources) {
    const set = await gatherSet({ name: `ood ${name}`, source, indexOf: undefined }, context);
    sets.push(set);
    oodScores.push({ name, scores: await scoreSet(set, stored.head, scorers, io) });
  }
  const own = detectors.findIndex(({ spec }) => spec === stored.document.method);
  const gamma = own < 0 ? undefined : stored.document.threshold.gamma;
  const results: Results = {
    rows: detectors.flatMap(({ spec }, i) =>
      separate(
        spec,
        idScores[i]!,
        oodScores.map(({ name, scores }) => ({ name, scores: scores[i]! })),
      ),
    ),
    id: measureId(idScores[Math.max(own, 0)]!, idSet.labels, gamma),
    skipped,
    warnings: [...overlap.overlaps().map(describeOverlap), ...describeSkipped(sets)],
  };
  const text = formatResults(results, options.format);
  if (options.out === undefined) io.stdout.write(text);
  else await writeNewFile(options.out, new TextEncoder().encode(text), io.signal);
  return 0;
}

interface FittedMethods {
  readonly detectors: readonly Detector[];
  readonly scorers: readonly Scorer[];
  readonly skipped: NonNullable<Results['skipped']>;
}

/**
 * Fits the methods named from what the detector stores. `all` means its own and all others that its tensors allow.
 * Throws `not-found` for a method named whose statistic is not stored.
 */
function fitMethods(lists: readonly string[], stored: LoadedDetector): FittedMethods {
  const isAll = lists.includes(ALL);
  const detectors: Detector[] = [];
  const scorers: Scorer[] = [];
  const skipped: { method: string; reason: string }[] = [];
  for (const detector of chooseDetectors(isAll ? [stored.document.method, ...lists] : lists)) {
    try {
      scorers.push(detector.prepare(stored.head, fitFromStored(detector, stored)));
      detectors.push(detector);
    } catch (error) {
      if (!isAll || !(error instanceof HimplosError)) throw error;
      skipped.push({ method: detector.spec, reason: error.message });
    }
  }
  return { detectors, scorers, skipped };
}
