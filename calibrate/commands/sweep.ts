import { chooseDetectors, type MethodOptions, methodSpec } from '../calibration/choose-method.ts';
import { compareMethods } from '../calibration/compare-methods.ts';
import { gatherInputs } from '../calibration/gather-inputs.ts';
import type { Io } from '../io.ts';
import { makeReport } from '../report/gather-report.ts';
import { drawThumbnails } from '../report/thumbnails.ts';
import { measureComparison } from '../results/compare-results.ts';
import { textStyle } from '../results/format-results.ts';
import { axisLabels, describeSweep, formatSweep } from '../results/sweep-results.ts';
import { makeGrid } from '../tuning/grid.ts';
import { requireVacantFile, writeNewFile } from '../write-file.ts';
import { requireOodSets, type TableOptions } from './compare.ts';

export interface SweepOptions extends TableOptions, MethodOptions {
  /** `KEY=VALUE,VALUE,…`; p × λ of HIMPLoS when absent. */
  readonly vary?: readonly string[];
}

/** `himplos sweep`: measures a method at every combination of parameter values. */
export async function sweep(options: SweepOptions, io: Io): Promise<number> {
  const { out, report, format, near, figures, bootstrap, seed } = options;
  if (out !== undefined) await requireVacantFile(out);
  if (report !== undefined) await requireVacantFile(report);
  requireOodSets('sweep', options);
  const grid = makeGrid(methodSpec(options), options.vary);
  const detectors = chooseDetectors(grid.points.map(({ spec }) => spec));
  await using inputs = await gatherInputs(options, io);
  const comparison = await compareMethods(detectors, inputs, io);
  const results = measureComparison(comparison, inputs.sets, {
    near,
    bootstrap: bootstrap === undefined ? undefined : { replicates: bootstrap, seed },
    signal: io.signal,
  });
  const described = describeSweep(results, grid);
  if (report !== undefined) {
    const best = comparison.methods.find(({ spec }) => spec === described.sweep.best)!;
    const facts = {
      title: `Sweep of ${methodSpec(options)}`,
      summary: `${grid.points.length} combinations of ${grid.axes.map(({ key }) => key).join(' and ')}, measured on ${inputs.sets.ood.length} OOD sets. Drawn is the best of them.`,
      ...{ results: described, labels: axisLabels(grid), sweep: described, method: best },
      thumbnails: await drawThumbnails(best, inputs, options, io),
    };
    await writeNewFile(report, await makeReport(facts, inputs), io.signal);
  }
  const style = out === undefined ? textStyle(io.stdout, io.env) : 'plain';
  const text = formatSweep(described, format, { figures, style });
  if (out === undefined) io.stdout.write(text);
  else await writeNewFile(out, new TextEncoder().encode(text), io.signal);
  return 0;
}
