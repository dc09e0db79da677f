import { HimplosError } from '../../shared/errors.ts';
import type { Detector } from '../../shared/methods/contract.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { calibrationIndex } from '../../shared/metrics/threshold.ts';
import { requireVacantFolder } from '../../shared/store/artifact-folder.ts';
import { openStore } from '../../shared/store/open-store.ts';
import { type Calibrated, calibrateDetector } from '../calibration/calibrate-detector.ts';
import { type MethodOptions, methodSpec } from '../calibration/choose-method.ts';
import { gatherInputs, type InputOptions } from '../calibration/gather-inputs.ts';
import { countSamples, type Roles } from '../calibration/open-roles.ts';
import { saveDetector } from '../calibration/save-detector.ts';
import type { Io } from '../io.ts';
import { reportCalibration } from '../report/report-calibration.ts';
import { drawThumbnails } from '../report/thumbnails.ts';
import { formatResults, percent } from '../results/format-results.ts';
import { fitInParts } from '../sharding/resumed-fit.ts';
import { runShard } from '../sharding/run-shard.ts';
import { parseShard } from '../sharding/shard-index.ts';
import { s3Options } from './store-options.ts';

export interface CalibrateOptions extends InputOptions, MethodOptions {
  readonly out?: string;
  /** `INDEX/COUNT` or `auto/COUNT`. */
  readonly shard?: string;
  readonly partials?: string;
  readonly name?: string;
  readonly tpr: number;
  /** Whether the report shows small pictures of the samples at the ends. */
  readonly thumbnails?: boolean;
  readonly json?: boolean;
}

/** `himplos calibrate`: a classifier and labelled data in, a detector in a new folder out. */
export async function calibrate(options: CalibrateOptions, io: Io): Promise<number> {
  const { shard, partials, tpr } = options;
  const detector = findDetector(methodSpec(options));
  const check = async ({ calibration }: Roles) => {
    calibrationIndex(await countSamples(calibration), tpr);
  };
  if (shard !== undefined || partials !== undefined) return calibrateShard(options, detector, check, io);
  const out = requireOut(options.out);
  await requireVacantFolder(out);
  await using inputs = await gatherInputs(options, io, check);
  const allowMissingClasses = options.allowMissingClasses === true;
  const choice = { detector, allowMissingClasses, tpr, name: options.name ?? null };
  const fit = options.cache === undefined ? undefined : fitInParts(options.cache);
  const calibrated = await calibrateDetector(choice, inputs, io, fit);
  const thumbnails = await drawThumbnails(calibrated.scored, inputs, options, io);
  const report = await reportCalibration(calibrated, inputs, io.signal, thumbnails);
  const { version } = await saveDetector(out, calibrated, detector, inputs, report, io.signal);
  io.stdout.write(
    options.json ? describeAsJson(calibrated, out, version) : describe(calibrated, out, version),
  );
  return 0;
}

/** One part of a calibration that several processes share: partials for `himplos merge` instead of a detector. */
async function calibrateShard(
  options: CalibrateOptions,
  detector: Detector,
  check: (roles: Roles) => Promise<void>,
  io: Io,
): Promise<number> {
  const { shard, partials, out, tpr, name = null } = options;
  if (shard === undefined || partials === undefined || out !== undefined) {
    throw new HimplosError(
      'bad-usage',
      `expected --shard and --partials together and without --out, got ${['shard', 'partials', 'out']
        .filter((option) => options[option as 'out'] !== undefined)
        .map((option) => `--${option}`)
        .join(' and ')}`,
      { hint: 'himplos merge DEST --out DIR makes the detector when all shards are done' },
    );
  }
  const part = parseShard(shard, io.env);
  const store = await openStore(partials, s3Options({}, io));
  const done = await runShard({ ...options, detector, tpr, name, shard: part, store }, io, check);
  io.stdout.write(`shard ${part.index} of ${part.count}: ${done.join('; ')}\n`);
  return 0;
}

function requireOut(out: string | undefined): string {
  if (out !== undefined) return out;
  throw new HimplosError('bad-usage', 'expected --out, got none', {
    hint: 'name a new folder for the detector; or --shard and --partials, to share the work',
  });
}

/** What a calibration came to, for machines: the results with version, method and threshold in front. */
export function describeAsJson({ draft, results }: Calibrated, out: string, version: string): string {
  const { method, threshold } = draft;
  return `${JSON.stringify({ out, version, method, threshold, ...results }, null, 2)}\n`;
}

/** What a calibration came to, for people. */
export function describe({ draft, results }: Calibrated, out: string, version: string): string {
  const { threshold, method } = draft;
  const facts = [
    `detector   ${out}`,
    `version    ${version}`,
    `method     ${method}`,
    `threshold  γ = ${threshold.gamma.toPrecision(6)}: a score below it means "I don’t know"`,
    `promise    a new sample like the ${threshold.calibrationScores} calibration samples is accepted with a probability of at least ${percent(threshold.tpr)} %`,
  ];
  return `${facts.join('\n')}\n\n${formatResults(results, 'table')}`;
}
