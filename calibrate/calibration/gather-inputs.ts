import type { DetectorModel } from '../../shared/artifact/detector-document.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import type { Head } from '../../shared/methods/contract.ts';
import { type Classifier, openClassifier } from '../features/classifier.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { gatherSet, needsModel, type Role } from '../features/gather-set.ts';
import { openWorkspace } from '../features/workspace.ts';
import { choosePreprocessing } from '../images/choose-preprocessing.ts';
import type { Io } from '../io.ts';
import { type PreprocessOptions, parseNamedSources, type RunOptions } from '../options.ts';
import { type Overlap, OverlapFinder, requireHeldOut } from '../sources/overlap.ts';
import { decideClasses, labelIndex, openRoles, type Roles } from './open-roles.ts';
import { readHead } from './read-head.ts';

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

/** A classifier and all data as features on disk, until disposed of. */
export interface CalibrationInputs extends AsyncDisposable {
  readonly head: Head;
  /** Absent when only a head was given. */
  readonly classifier: Classifier | undefined;
  readonly model: DetectorModel | null;
  readonly preprocessing: Preprocessing | null;
  readonly classNames: readonly string[];
  readonly sets: CalibrationSets;
  /** What the user should know already, such as images in two roles. */
  readonly warnings: readonly string[];
}

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
  requireOneHead(options);
  const ood = parseNamedSources('--ood', options.ood ?? []);
  const roles = await openRoles({ ...options, ood }, io.signal);
  await check(roles);
  const preprocessing = await preprocessingFor(roles, options);
  const classifier =
    options.model === undefined ? undefined : resources.use(await openClassifier(options.model, options));
  if (classifier !== undefined) io.stderr.write(`${options.model} runs on ${classifier.device}\n`);
  const head = classifier?.head ?? (await readHead(options.head!));
  const classes = await decideClasses(roles.train, {
    classesFile: options.classes,
    logits: head.classes,
    allowMissing: options.allowMissingClasses === true,
  });
  const calibrationIndex = await labelIndex(roles.calibration, classes.names);
  const evaluationIndex = roles.evaluation && (await labelIndex(roles.evaluation, classes.names));

  const { folder } = resources.use(await openWorkspace(options.cache));
  const overlap = new OverlapFinder();
  const { batch, threads, skipBad = false } = options;
  const images = classifier &&
    preprocessing && { extractor: classifier, preprocessing, batch, threads, skipBad };
  const context = { images, width: head.width, classes: head.classes, folder, overlap, io };
  const gather = (name: string, source: Role['source'], indexOf: Role['indexOf']) =>
    gatherSet({ name, source, indexOf }, context);
  const train = await gather('train', roles.train, classes.indexOf);
  const calibration = await gather('calibration', roles.calibration, calibrationIndex);
  const evaluation = roles.evaluation && (await gather('evaluation', roles.evaluation, evaluationIndex));
  const oodSets: { name: string; set: FeatureSet }[] = [];
  for (const { name, source } of roles.ood) {
    oodSets.push({ name, set: await gather(`ood ${name}`, source, undefined) });
  }
  const overlaps = overlap.overlaps();
  requireHeldOut(overlaps, options.allowOverlap === true);

  const kept = resources.move();
  return {
    head,
    classifier,
    model: classifier === undefined ? null : describeModel(classifier),
    preprocessing: preprocessing ?? null,
    classNames: classes.names,
    sets: { train, calibration, evaluation, ood: oodSets },
    warnings: [
      ...overlaps.map(describeOverlap),
      ...describeSkipped([train, calibration, evaluation, ...oodSets.map(({ set }) => set)]),
    ],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function describeModel({ model, found }: Classifier): DetectorModel {
  return { digest: model.digest, name: model.name, headInput: found.headInput };
}

function requireOneHead({ model, head, headInput }: InputOptions): void {
  if ((model === undefined) === (head === undefined)) {
    throw new HimplosError(
      'bad-usage',
      `expected one of --model and --head, got ${model === undefined ? 'neither' : 'both'}`,
      {
        hint: '--model FILE.onnx for a classifier; --head FILE for a last layer alone, with features as sources',
      },
    );
  }
  if (headInput !== undefined && model === undefined) {
    throw new HimplosError('bad-usage', '--head-input names a tensor of --model, which was not given', {
      hint: 'give --model FILE.onnx, or leave --head-input out',
    });
  }
}

/** Needed for images; for features it is only kept for later, when images are scored. */
async function preprocessingFor(roles: Roles, options: InputOptions): Promise<Preprocessing | undefined> {
  const { preprocess, resize, crop, mean, std } = options;
  const isGiven = [preprocess, resize, crop, mean, std].some((option) => option !== undefined);
  const sources = [
    roles.train,
    roles.calibration,
    roles.evaluation,
    ...roles.ood.map(({ source }) => source),
  ];
  const images = sources.find((source) => source?.kind === 'images');
  if (images?.kind === 'images' && options.model === undefined) throw needsModel(images);
  return images !== undefined || isGiven ? choosePreprocessing(options) : undefined;
}

function describeSkipped(sets: readonly (FeatureSet | undefined)[]): string[] {
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
