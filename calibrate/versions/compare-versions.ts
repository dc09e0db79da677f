import type { CallOptions } from '../../shared/store/object-store.ts';
import { type MeasuredVersion, measureVersion, type StoredVersion } from './measure-version.ts';

/** Two versions on the same rows, as far as they can be compared. */
export interface VersionComparison {
  /** Undefined when there is no version to compare with. */
  readonly before: StoredVersion | undefined;
  readonly after: StoredVersion;
  /**
   * Whether both keep the same evaluation rows, with an ID set among them (or, without a version before, whether there
   * is an ID set at all), and if not, why nothing was measured.
   */
  readonly evaluation: 'same' | 'different' | 'absent';
  readonly measuredBefore: MeasuredVersion | undefined;
  readonly measuredAfter: MeasuredVersion | undefined;
  /** Rows on which the decision differs, ID and OOD together. */
  readonly changed: { readonly rows: number; readonly of: number } | undefined;
}

/** Scores the stored evaluation rows with both versions. Without common rows nothing is scored. */
export async function compareVersions(
  before: StoredVersion | undefined,
  after: StoredVersion,
  options: CallOptions = {},
): Promise<VersionComparison> {
  const { evaluation: rows } = after;
  const isAbsent = !rows?.id || (before !== undefined && !before.evaluation?.id);
  const isSame = before === undefined || before.evaluationSha256 === after.evaluationSha256;
  const evaluation = isAbsent ? 'absent' : isSame ? 'same' : 'different';
  const isScorable = [before, after].every(
    (version) => version === undefined || version.detector.head.width === rows?.width,
  );
  if (evaluation !== 'same' || !rows?.id || !isScorable) {
    return {
      before,
      after,
      evaluation,
      measuredBefore: undefined,
      measuredAfter: undefined,
      changed: undefined,
    };
  }
  const common = { ...rows, id: rows.id };
  const measuredAfter = await measureVersion(after.detector, common, options);
  const measuredBefore = before && (await measureVersion(before.detector, common, options));
  return {
    before,
    after,
    evaluation,
    measuredBefore,
    measuredAfter,
    changed: measuredBefore && countChanges(measuredBefore.decisions, measuredAfter.decisions),
  };
}

function countChanges(before: Uint8Array, after: Uint8Array): { readonly rows: number; readonly of: number } {
  let rows = 0;
  for (let i = 0; i < after.length; i++) if (before[i] !== after[i]) rows++;
  return { rows, of: after.length };
}
