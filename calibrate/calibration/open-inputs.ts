import type { DetectorModel } from '../../shared/artifact/detector-document.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import type { Head } from '../../shared/methods/contract.ts';
import { type Classifier, openClassifier } from '../features/classifier.ts';
import { type GatherContext, needsModel, type Role } from '../features/gather-set.ts';
import { choosePreprocessing } from '../images/choose-preprocessing.ts';
import type { Io } from '../io.ts';
import { parseNamedSources } from '../options.ts';
import type { InputOptions } from './gather-inputs.ts';
import { decideClasses, labelIndex, openRoles, type Roles } from './open-roles.ts';
import { readHead } from './read-head.ts';

/** A classifier and data, looked over, nothing computed yet. */
export interface OpenInputs {
  readonly head: Head;
  /** Absent when only a head was given. */
  readonly classifier: Classifier | undefined;
  readonly model: DetectorModel | null;
  readonly preprocessing: Preprocessing | null;
  readonly classNames: readonly string[];
  readonly train: Role;
  readonly calibration: Role;
  readonly evaluation: Role | undefined;
  readonly ood: readonly { readonly name: string; readonly role: Role }[];
  /** What gathering the roles needs of all this. */
  readonly gathering: Pick<GatherContext, 'images' | 'width' | 'classes'>;
}

/**
 * Opens a classifier or a head, looks over all sources and decides the order of the classes. `check` sees the sources
 * before the model is loaded, which goes away with `resources`.
 * Throws `bad-usage`, `not-found`, `bad-model`, `bad-input`, … as the parts do.
 */
export async function openInputs(
  options: InputOptions,
  io: Io,
  check: (roles: Roles) => Promise<void>,
  resources: AsyncDisposableStack,
): Promise<OpenInputs> {
  requireOneHead(options);
  const named = parseNamedSources('--ood', options.ood ?? []);
  const roles = await openRoles({ ...options, ood: named }, io.signal);
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
  const labelled = async (name: string, source: Role['source']): Promise<Role> => {
    return { name, source, indexOf: await labelIndex(source, classes.names) };
  };
  const { threads, skipBad = false } = options;
  const images = classifier && preprocessing && { extractor: classifier, preprocessing, threads, skipBad };
  return {
    head,
    classifier,
    model: classifier === undefined ? null : describeModel(classifier),
    preprocessing: preprocessing ?? null,
    classNames: classes.names,
    train: { name: 'train', source: roles.train, indexOf: classes.indexOf },
    calibration: await labelled('calibration', roles.calibration),
    evaluation: roles.evaluation && (await labelled('evaluation', roles.evaluation)),
    ood: roles.ood.map(({ name, source }) => {
      return { name, role: { name: `ood ${name}`, source, indexOf: undefined } };
    }),
    gathering: { images, width: head.width, classes: head.classes },
  };
}

/** The model that a head was cut from, as a detector names it. */
function describeModel({ model, found }: Pick<Classifier, 'model' | 'found'>): DetectorModel {
  return { digest: model.digest, name: model.name, headInput: found.headInput };
}

/** Throws `bad-usage` unless there is either a model or a head. */
export function requireOneHead({
  model,
  head,
  headInput,
}: Pick<InputOptions, 'model' | 'head' | 'headInput'>): void {
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
