import { HimplosError } from '../../shared/errors.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { calibrationIndex } from '../../shared/metrics/threshold.ts';
import { requireVacantFolder } from '../../shared/store/artifact-folder.ts';
import { calibrateDetector } from '../calibration/calibrate-detector.ts';
import { type MethodOptions, methodSpec } from '../calibration/choose-method.ts';
import { type CalibrationInputs, gatherInputs, type InputOptions } from '../calibration/gather-inputs.ts';
import { countSamples } from '../calibration/open-roles.ts';
import { saveDetector } from '../calibration/save-detector.ts';
import { openClassifier } from '../features/classifier.ts';
import type { Io } from '../io.ts';
import { startTask } from '../progress.ts';
import { reportCalibration } from '../report/report-calibration.ts';
import { type SampledRows, sampleRows } from '../report/sampled-rows.ts';
import { formatResults, percent } from '../results/format-results.ts';
import { openSources } from '../sources/open-source.ts';
import { type Choice, chooseParameters } from '../tuning/choose-parameters.ts';
import { featureOutliers, type Outliers } from '../tuning/feature-outliers.ts';
import { makeGrid } from '../tuning/grid.ts';
import { imageOutliers } from '../tuning/image-outliers.ts';

export interface TuneOptions extends InputOptions, MethodOptions {
  readonly vary?: readonly string[];
  readonly seed: number;
  /** Folder for a detector with the chosen parameters; only the choice is printed when absent. */
  readonly out?: string;
  readonly name?: string;
  readonly tpr: number;
  readonly json?: boolean;
}

/** Held-out samples that parameters are chosen on: enough for AUROC to be known to within a point. */
const HELD_OUT = 2000;
/** Images that are distorted: each is run through the model once a kind. */
const IMAGES = 1000;

/** `himplos tune`: chooses a method's parameters on held-out data and outliers made of it, never on an OOD set. */
export async function tune(options: TuneOptions, io: Io): Promise<number> {
  const { out, seed, tpr } = options;
  if (out !== undefined) await requireVacantFolder(out);
  if (out === undefined && options.ood !== undefined) {
    throw new HimplosError('bad-usage', '--ood without --out: tuning looks at no OOD set', {
      hint: 'leave --ood out; with --out, the detector is measured on it after its parameters are chosen',
    });
  }
  const base = findDetector(methodSpec(options)).spec;
  const grid = makeGrid(base, options.vary);
  await using inputs = await gatherInputs(options, io, async ({ calibration }) => {
    calibrationIndex(await countSamples(calibration), tpr);
  });
  const startedAt = performance.now();
  const heldOut = await sampleRows(inputs.sets.calibration, HELD_OUT);
  const outliers = await makeOutliers(heldOut, inputs, options, io);
  const choice = await chooseParameters(grid, inputs, heldOut, outliers, { seed, signal: io.signal });
  const seconds = (performance.now() - startedAt) / 1000;
  const spec = choice.points[0]!.spec;
  if (out !== undefined) {
    const detector = findDetector(spec);
    const allowMissingClasses = options.allowMissingClasses === true;
    const wanted = { detector, allowMissingClasses, tpr, name: options.name ?? null, tuning: choice.tuning };
    const calibrated = await calibrateDetector(wanted, inputs, io);
    const report = await reportCalibration(calibrated, inputs, io.signal);
    await saveDetector(out, calibrated, detector, inputs, report, io.signal);
    if (options.json !== true) io.stdout.write(`${formatResults(calibrated.results, 'table')}\n`);
  }
  io.stdout.write(
    options.json
      ? `${JSON.stringify({ method: spec, ...choice }, null, 2)}\n`
      : describe(choice, base, seconds),
  );
  return 0;
}

/** Distorted images where the calibration data are images, else crossed features. */
async function makeOutliers(
  heldOut: SampledRows,
  { preprocessing, sets }: CalibrationInputs,
  options: TuneOptions,
  io: Io,
): Promise<Outliers[]> {
  const { seed, model } = options;
  const crossed = featureOutliers(heldOut, seed);
  const source = sets.calibration.kind === 'images' ? await openSources(options.calibration, io) : undefined;
  if (source?.kind !== 'images' || model === undefined || preprocessing === null) return crossed;
  await using extractor = await openClassifier(model, options);
  const images = Math.min(IMAGES, sets.calibration.rows);
  using task = startTask(io.stderr, 'distorted images', 4 * images, 'images');
  const made = await imageOutliers(source, {
    ...options,
    ...{ extractor, preprocessing, limit: images, signal: io.signal },
    onImages: (count) => task.advance(count),
  });
  task.finish();
  return [...made, ...crossed];
}

/** The choice, what it cost, and what it is worth. */
function describe({ points, tuning }: Choice, base: string, seconds: number): string {
  const best = points[0]!;
  const worst = points.at(-1)!;
  const before = points.find(({ spec }) => spec === base);
  const samples = tuning.heldOut.count + tuning.outliers.reduce((total, { count }) => total + count, 0);
  const made = tuning.outliers.map(({ kind, count }) => `${count} ${kind}`).join(', ');
  const gain = before === undefined ? undefined : best.auroc - before.auroc;
  const lines = [
    `chosen     ${best.spec}`,
    `seen       ${tuning.heldOut.count} held-out samples, and outliers made of them: ${made}; no OOD set`,
    `AUROC      ${percent(best.auroc)} against the outliers; over the grid down to ${percent(worst.auroc)}${before === undefined ? '' : `, ${percent(before.auroc)} with ${base}`}`,
    `cost       ${points.length} points × ${samples} samples in ${seconds.toFixed(1)} s`,
  ];
  if (gain !== undefined && gain < 0.01) {
    lines.push(
      'note       the outliers tell the choice from the parameters it started from by less than a point: either will do',
    );
  }
  return `${lines.join('\n')}\n`;
}
