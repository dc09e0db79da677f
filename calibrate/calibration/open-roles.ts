import { HimplosError } from '../../shared/errors.ts';
import { type ClassOrder, readClassesFile, resolveClasses } from '../sources/class-order.ts';
import type { Source } from '../sources/contract.ts';
import { nameError } from '../sources/file-error.ts';
import { openSources } from '../sources/open-source.ts';

/** Every source of a calibration, opened and looked over, nothing decoded yet. */
export interface Roles {
  readonly train: Source;
  readonly calibration: Source;
  readonly evaluation: Source | undefined;
  readonly ood: readonly { readonly name: string; readonly source: Source }[];
}

export interface RoleAddresses {
  readonly train: readonly string[];
  readonly calibration: readonly string[];
  readonly evaluation?: readonly string[] | undefined;
  readonly ood: ReadonlyMap<string, readonly string[]>;
}

/** Opens the sources of all roles. Throws what {@link openSources} throws. */
export async function openRoles(addresses: RoleAddresses, signal: AbortSignal): Promise<Roles> {
  const open = (given: readonly string[]) => openSources(given, { signal });
  const ood: { name: string; source: Source }[] = [];
  const train = await open(addresses.train);
  const calibration = await open(addresses.calibration);
  const evaluation = addresses.evaluation === undefined ? undefined : await open(addresses.evaluation);
  for (const [name, sources] of addresses.ood) ood.push({ name, source: await open(sources) });
  return { train, calibration, evaluation, ood };
}

/** Names of the classes in the order of the logits, and which logit a label is. */
export type Classes = Pick<ClassOrder, 'names' | 'indexOf'>;

/**
 * The classes of a training source: folder names for images; for features, whose labels are logits already, the names
 * in the file or numbers. Throws as {@link resolveClasses}.
 */
export async function decideClasses(
  train: Source,
  options: {
    readonly classesFile?: string | undefined;
    readonly logits: number;
    readonly allowMissing: boolean;
  },
): Promise<Classes> {
  const { logits, allowMissing } = options;
  const given = options.classesFile === undefined ? undefined : await readClassesFile(options.classesFile);
  if (train.kind === 'images') {
    const survey = await train.survey();
    try {
      return resolveClasses({ survey, classesFile: given, logits, allowMissing });
    } catch (cause) {
      throw nameError(cause, train.address);
    }
  }
  const names = given ?? Array.from({ length: logits }, (_, index) => String(index));
  if (names.length !== logits) {
    throw new HimplosError(
      'bad-input',
      `${options.classesFile}: expected one name for each of the ${logits} logits, got ${names.length}`,
      { hint: 'list every class of the classifier, in the order of its logits, one a line' },
    );
  }
  return { names, indexOf: namedIndex(names) };
}

/**
 * Which logit a label of a source is, where the names of the logits are known. Throws `bad-input` for a label that is
 * none of them, before the first image is decoded.
 */
export async function labelIndex(
  source: Source,
  names: readonly string[],
): Promise<(label: string) => number> {
  if (source.kind === 'features') return namedIndex(names);
  const survey = await source.survey();
  try {
    const { indexOf } = survey.labelsAreIndices
      ? resolveClasses({ survey, classesFile: names, logits: names.length, allowMissing: true })
      : { indexOf: namedIndex(names) };
    for (const label of survey.classes.keys()) indexOf(label);
    return indexOf;
  } catch (cause) {
    throw nameError(cause, source.address);
  }
}

/** Which logit a name is. The result throws `bad-input` for a name that is none. */
function namedIndex(names: readonly string[]): (label: string) => number {
  const indices = new Map(names.map((name, index) => [name, index]));
  return (label) => {
    const index = indices.get(label);
    if (index !== undefined) return index;
    throw new HimplosError(
      'bad-input',
      `the class ${JSON.stringify(label)} is none of the ${names.length} classes`,
      {
        hint: 'name class folders as the training data does (himplos inspect lists the classes of a detector)',
      },
    );
  };
}

/** Images or rows of a source. */
export async function countSamples(source: Source): Promise<number> {
  return source.kind === 'images' ? (await source.survey()).samples : source.rows;
}
