import { HimplosError } from '../../shared/errors.ts';
import { requireVacantFolder } from '../../shared/store/artifact-folder.ts';
import { openStore } from '../../shared/store/open-store.ts';
import { saveDetector } from '../calibration/save-detector.ts';
import type { Io } from '../io.ts';
import { reportCalibration } from '../report/report-calibration.ts';
import { mergeShards } from '../sharding/merge-shards.ts';
import { describe, describeAsJson } from './calibrate.ts';
import { s3Options } from './store-options.ts';

export interface MergeCommandOptions {
  readonly model?: string;
  readonly head?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/**
 * `himplos merge`: the partials of all shards in; out a merged pass, or, after the last one, a detector in a new folder.
 * With `--out` it fails when the shards have to run once more, so that nobody goes on without a detector.
 */
export async function merge(partials: string, options: MergeCommandOptions, io: Io): Promise<number> {
  const { out } = options;
  if (out !== undefined) await requireVacantFolder(out);
  const store = await openStore(partials, s3Options({}, io));
  const { nextPass } = await mergeShards({ ...options, store }, io, async (merged) => {
    if (out === undefined) {
      io.stdout.write(`every pass is merged: himplos merge ${partials} --out DIR writes the detector\n`);
      return;
    }
    const { calibrated, detector, data } = merged;
    const report = await reportCalibration(calibrated, data, io.signal);
    const { version } = await saveDetector(out, calibrated, detector, data, report, io.signal);
    io.stdout.write(
      options.json ? describeAsJson(calibrated, out, version) : describe(calibrated, out, version),
    );
  });
  if (nextPass === undefined) return 0;
  const sentence = `pass ${nextPass} over the training data comes next`;
  if (out === undefined) {
    io.stdout.write(`merged so far; ${sentence}: run every shard again, then merge again\n`);
    return 0;
  }
  throw new HimplosError('bad-input', `${store.address}: there can be no detector yet: ${sentence}`, {
    hint: 'what is there has been merged: run every shard again with the same command, then merge again',
  });
}
