import type { DetectorModel } from '../../shared/artifact/detector-document.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import type { Head } from '../../shared/methods/contract.ts';
import type { Classifier } from '../features/classifier.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { gatherSet, type Role } from '../features/gather-set.ts';
import { openWorkspace } from '../features/workspace.ts';
import type { Io } from '../io.ts';
import type { PreprocessOptions, RunOptions } from '../options.ts';
import { type Overlap, OverlapFinder, requireHeldOut } from '../sources/overlap.ts';
import { openInputs } from './open-inputs.ts';
import type { Roles } from './open-roles.ts';

/** A classifier and labelled data, as typed: what every command that fits methods begins with. */
export interface InputOptions extends RunOptions, PreprocessOptions {
  readonly model?: string;
  readonly head?: string;
  readonly headInput?: string;
  readonly train: readonly string[];
  readonly calibration: readonly string[];
  readonly evaluation?: readonly string[];
  readonly ood?: readonly string[];
  readonly classes?: string;
  readonly allowMissingClasses?: boolean;
  readonly allowOverlap?: boolean;
}

/** Every role as features. */
export interface CalibrationSets {
  readonly train: FeatureSet;
  readonly calibration: FeatureSet;
  readonly evaluation: FeatureSet | undefined;
  readonly ood: readonly { readonly name: string; readonly set: FeatureSet }[];
}

/** A classifier and all data as features on disk. */
export interface CalibrationData {
  readonly head: Head;
  /** Absent when only a head was given. */
  readonly classifier: Pick<Classifier, 'model' | 'found'> | undefined;
  readonly model: DetectorModel | null;
  readonly preprocessing: Preprocessing | null;
  readonly classNames: readonly string[];
  readonly sets: CalibrationSets;
  /** What the user should know already, such as images in two roles. */
  readonly warnings: readonly string[];
}

/** The same, until disposed of. */
export interface CalibrationInputs extends CalibrationData, AsyncDisposable {}

/**
 * Opens a classifier or a head, looks over all sources, decides the order of the classes and computes features.
 * `check` sees the sources before the long part begins.
 * Throws `bad-usage`, `not-found`, `bad-model`, `bad-input`, … as the parts do.
 */
export async function gatherInputs(
  options: InputOptions,
  io: Io,
  check: (roles: Roles) => Promise<void> = async () => {},
): Promise<CalibrationInputs> {
  await using resources = new AsyncDisposableStack();
  const opened = await openInputs(options, io, check, resources);
  const { head, classifier, model, preprocessing, classNames } = opened;
  const { folder } = resources.use(await openWorkspace(options.cache));
  const overlap = new OverlapFinder();
  const gather = (role: Role) => gatherSet(role, { ...opened.gathering, folder, overlap, io });
  const train = await gather(opened.train);
  const calibration = await gather(opened.calibration);
  const evaluation = opened.evaluation && (await gather(opened.evaluation));
  const ood: { name: string; set: FeatureSet }[] = [];
  for (const { name, role } of opened.ood) ood.push({ name, set: await gather(role) });
  const sets = { train, calibration, evaluation, ood };
  const warnings = warnAboutData(overlap, sets, options.allowOverlap === true);

  const kept = resources.move();
  return {
    head,
    classifier,
    model,
    preprocessing,
    classNames,
    sets,
    warnings,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/**
 * Sentences about images in two roles, and about those that could not be decoded. Throws `bad-input` for roles that
 * share too much, unless `allowOverlap`.
 */
export function warnAboutData(
  overlap: OverlapFinder,
  { train, calibration, evaluation, ood }: CalibrationSets,
  allowOverlap: boolean,
): string[] {
  const overlaps = overlap.overlaps();
  // Two OOD sets may share images: no threshold and no figure of either suffers.
  requireHeldOut(
    overlaps.filter(({ roles }) => !roles.every((role) => role.startsWith('ood '))),
    allowOverlap,
  );
  return [
    ...overlaps.map(describeOverlap),
    ...describeSkipped([train, calibration, evaluation, ...ood.map(({ set }) => set)]),
  ];
}

/** A sentence about each set some of whose images could not be decoded. */
export function describeSkipped(sets: readonly (FeatureSet | undefined)[]): string[] {
  return sets.flatMap((set) =>
    set === undefined || set.skipped === 0
      ? []
      : [
          `${set.role}: ${set.skipped} of ${set.skipped + set.rows} images could not be decoded and were passed over`,
        ],
  );
}

/** One sentence about images in two roles. */
export function describeOverlap({ roles, count, share, examples }: Overlap): string {
  return `${roles[0]} and ${roles[1]} share ${count} contents (${(100 * share).toFixed(2)} %), for example ${examples[0]}`;
}
