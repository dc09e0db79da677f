import { findDetector } from '../../shared/methods/registry.ts';
import { requireEnoughScores } from '../../shared/metrics/threshold.ts';
import { requireVacantFolder } from '../../shared/store/artifact-folder.ts';
import { type Calibrated, calibrateDetector } from '../calibration/calibrate-detector.ts';
import { type MethodOptions, methodSpec } from '../calibration/choose-method.ts';
import { gatherInputs, type InputOptions } from '../calibration/gather-inputs.ts';
import { countSamples } from '../calibration/open-roles.ts';
import { saveDetector } from '../calibration/save-detector.ts';
import type { Io } from '../io.ts';
import { formatResults, percent } from '../results/format-results.ts';

export interface CalibrateOptions extends InputOptions, MethodOptions {
  readonly out: string;
  readonly name?: string;
  readonly tpr: number;
  readonly json?: boolean;
}

/** `himplos calibrate`: a classifier and labelled data in, a detector in a new folder out. */
export async function calibrate(options: CalibrateOptions, io: Io): Promise<number> {
  const { out, tpr } = options;
  const detector = findDetector(methodSpec(options));
  await requireVacantFolder(out);
  await using inputs = await gatherInputs(options, io, async ({ calibration }) => {
    requireEnoughScores(await countSamples(calibration), tpr);
  });
  const allowMissingClasses = options.allowMissingClasses === true;
  const choice = { detector, allowMissingClasses, tpr, name: options.name ?? null };
  const calibrated = await calibrateDetector(choice, inputs, io);
  const { version } = await saveDetector(out, calibrated, detector, inputs, io.signal);
  io.stdout.write(
    options.json ? formatResults(calibrated.results, 'json') : describe(calibrated, out, version),
  );
  return 0;
}

function describe({ draft, results }: Calibrated, out: string, version: string): string {
  const { threshold, method } = draft;
  const facts = [
    `detector   ${out}`,
    `version    ${version}`,
    `method     ${method}`,
    `threshold  γ = ${threshold.gamma.toPrecision(6)}: a score below it means "I don’t know"`,
    `promise    at least ${percent(threshold.tpr)} % of in-distribution images like the ${threshold.calibrationScores} calibration images are accepted`,
  ];
  return `${facts.join('\n')}\n\n${formatResults(results, 'table')}`;
}
