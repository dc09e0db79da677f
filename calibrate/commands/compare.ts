import { HimplosError } from '../../shared/errors.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { ALL, chooseDetectors } from '../calibration/choose-method.ts';
import { compareMethods } from '../calibration/compare-methods.ts';
import { gatherInputs, type InputOptions } from '../calibration/gather-inputs.ts';
import type { Io } from '../io.ts';
import { parseNamedSources } from '../options.ts';
import { makeReport } from '../report/gather-report.ts';
import { drawThumbnails } from '../report/thumbnails.ts';
import { ablate } from '../results/ablation.ts';
import { measureComparison } from '../results/compare-results.ts';
import { formatResults, type ResultFormat, textStyle } from '../results/format-results.ts';
import type { Figure } from '../results/results.ts';
import { requireNearSets } from '../results/set-groups.ts';
import { requireVacantFile, writeNewFile } from '../write-file.ts';

/** Options of tables over OOD sets. */
export interface TableOptions extends InputOptions {
  readonly near?: readonly string[];
  readonly figures?: readonly Figure[];
  readonly bootstrap?: number;
  readonly seed: number;
  readonly format: ResultFormat;
  readonly out?: string;
  /** Where to write an HTML report. */
  readonly report?: string;
  readonly thumbnails?: boolean;
}

export interface CompareOptions extends TableOptions {
  /** Specs, or `all`, which is the default. */
  readonly methods?: readonly string[];
  /** Spec whose parts are switched off one by one, instead of methods. */
  readonly ablation?: string;
  /** Spec that the others are tested against. */
  readonly baseline?: string;
}

/** `himplos compare`: fits methods on the training data and measures all of them on the same sets. */
export async function compare(options: CompareOptions, io: Io): Promise<number> {
  const { out, report, format, near, figures, bootstrap, seed } = options;
  if (out !== undefined) await requireVacantFile(out);
  if (report !== undefined) await requireVacantFile(report);
  requireOodSets('compare', options);
  if (options.ablation !== undefined && options.methods !== undefined) {
    throw new HimplosError('bad-usage', 'expected one of --methods and --ablation, got both', {
      hint: 'an ablation is a list of methods of its own',
    });
  }
  const ablation = options.ablation === undefined ? undefined : ablate(options.ablation);
  const baseline = options.baseline === undefined ? undefined : findDetector(options.baseline).spec;
  const listed = ablation?.specs ?? options.methods ?? [ALL];
  const detectors = chooseDetectors(baseline === undefined ? listed : [...listed, baseline]);
  await using inputs = await gatherInputs(options, io);
  const comparison = await compareMethods(detectors, inputs, io);
  const results = measureComparison(comparison, inputs.sets, {
    near,
    bootstrap: bootstrap === undefined ? undefined : { replicates: bootstrap, seed },
    baseline,
    signal: io.signal,
  });
  if (report !== undefined) {
    // The last line of an ablation has every part, if it could be fitted; else the first is drawn.
    const whole = ablation?.specs.at(-1);
    const drawn = comparison.methods.find(({ spec }) => spec === whole) ?? comparison.methods[0]!;
    const facts = {
      title: ablation === undefined ? 'Comparison of methods' : `Ablation of ${options.ablation}`,
      summary: `${comparison.methods.length} methods fitted on the same data, and measured on the same ${inputs.sets.ood.length} OOD sets.`,
      ...{ results, labels: ablation?.labels, method: drawn },
      thumbnails: await drawThumbnails(drawn, inputs, options, io),
    };
    await writeNewFile(report, await makeReport(facts, inputs), io.signal);
  }
  const style = out === undefined ? textStyle(io.stdout, io.env) : 'plain';
  const text = formatResults(results, format, { figures, labels: ablation?.labels, style });
  if (out === undefined) io.stdout.write(text);
  else await writeNewFile(out, new TextEncoder().encode(text), io.signal);
  return 0;
}

/** Throws `bad-usage` without an OOD set to measure on, and for near sets that are none. */
export function requireOodSets(command: string, { ood, near }: Pick<TableOptions, 'ood' | 'near'>): void {
  if (ood === undefined) {
    throw new HimplosError('bad-usage', `${command} needs at least one --ood NAME=SOURCE to measure on`, {
      hint: 'for example --ood textures=data/textures.tar.gz',
    });
  }
  if (near !== undefined) requireNearSets([...parseNamedSources('--ood', ood).keys()], near);
}
