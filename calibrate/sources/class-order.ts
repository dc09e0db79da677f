import { HimplosError } from '../../shared/errors.ts';
import type { Survey } from './contract.ts';
import { readLines } from './read-lines.ts';

/** Which logit each class is. */
export interface ClassOrder {
  /** One name a logit, in their order. */
  readonly names: readonly string[];
  /** Names of the classes without images. */
  readonly missing: readonly string[];
  /** The logit of a label. Throws `bad-input` for a label that is none of the classes. */
  indexOf(label: string): number;
}

/**
 * Decides which logit each label belongs to. A file of names says it outright. Labels that are numbers (see
 * {@link Survey}) are the logits' positions. Folder names stand in alphabetical order (of UTF-16 code units, which
 * is Python's `sorted` for all but exotic names), as torchvision's ImageFolder has them, and only when there are
 * as many folders as logits: with fewer nobody can tell which one is missing.
 *
 * @param survey what the training source holds
 * @param classesFile names in the order of the logits
 * @param logits C
 * @param allowMissing whether classes without images are accepted
 * @throws `bad-input` naming counts and the classes that are too many, unlisted or missing
 */
export function resolveClasses(options: {
  readonly survey: Pick<Survey, 'samples' | 'classes' | 'emptyClasses' | 'labelsAreIndices'>;
  readonly classesFile?: readonly string[] | undefined;
  readonly logits: number;
  readonly allowMissing: boolean;
}): ClassOrder {
  const { survey, classesFile, logits } = options;
  const found = [...survey.classes.keys(), ...survey.emptyClasses];
  if (found.length === 0) {
    throw new HimplosError('bad-input', 'expected labelled images, got images without classes', {
      hint: 'put the images of each class into a folder of its name',
    });
  }
  const labelled = [...survey.classes.values()].reduce((total, count) => total + count, 0);
  if (labelled < survey.samples) {
    throw new HimplosError(
      'bad-input',
      `expected a class for every image, ${survey.samples - labelled} of ${survey.samples} have none`,
      { hint: 'every image needs a class folder, a .cls file beside it or a label in its list' },
    );
  }
  if (classesFile !== undefined && classesFile.length !== logits) {
    throw new HimplosError(
      'bad-input',
      `expected one class name for each of the ${logits} logits, got ${classesFile.length}`,
      { hint: 'list every class of the classifier, in the order of its logits, one a line' },
    );
  }
  const given = new Set(classesFile);
  const isNamed = found.every((label) => given.has(label));
  const order =
    survey.labelsAreIndices && !isNamed
      ? numbered(classesFile, logits)
      : named(classesFile ?? alphabetical(found, logits));
  for (const label of found) order.indexOf(label);
  const present = new Set([...survey.classes.keys()].map(order.indexOf));
  const missing = order.names.filter((_, index) => !present.has(index));
  if (missing.length > 0 && !options.allowMissing) {
    throw new HimplosError(
      'bad-input',
      `${missing.length} of ${logits} classes have no images: ${some(missing)}`,
      { hint: 'add images of them, or accept that they have no prototype: --allow-missing-classes' },
    );
  }
  return { ...order, missing };
}

/**
 * The class names in a text file, one a line, in the order of the logits; empty lines at the end do not count.
 * Throws `bad-input` for an empty line elsewhere, a name that stands twice, or more than 1,000,000 names.
 */
export async function readClassesFile(path: string): Promise<readonly string[]> {
  const lines = new Map<string, number>();
  let number = 0;
  let emptyLine: number | undefined;
  for await (const line of readLines(path)) {
    number++;
    const name = line.trim();
    const fail = (what: string, hint: string) =>
      new HimplosError('bad-input', `${path}: line ${number}: ${what}`, { hint });
    if (name === '') {
      emptyLine ??= number;
      continue;
    }
    if (emptyLine !== undefined)
      throw fail(`line ${emptyLine} above is empty`, 'remove it: a line is a logit');
    const before = lines.get(name);
    if (before !== undefined)
      throw fail(`${name} stands on line ${before} already`, 'each class has one logit');
    if (lines.size === MAX_CLASSES) throw fail(`more than ${MAX_CLASSES} names`, 'is it a list of classes?');
    lines.set(name, number);
  }
  if (lines.size === 0) {
    throw new HimplosError('bad-input', `${path}: expected class names, got none`, {
      hint: 'one name a line',
    });
  }
  return [...lines.keys()];
}

const MAX_CLASSES = 1_000_000;

function alphabetical(found: readonly string[], logits: number): readonly string[] {
  if (found.length === logits) return [...found].sort();
  throw new HimplosError(
    'bad-input',
    `expected as many class folders as the classifier has logits, got ${found.length} folders and ${logits} logits`,
    { hint: 'list the folder names in the order of the logits in a file: --classes FILE' },
  );
}

function named(names: readonly string[]): Pick<ClassOrder, 'names' | 'indexOf'> {
  const indices = new Map(names.map((name, index) => [name, index]));
  return {
    names,
    indexOf: (label) => {
      const index = indices.get(label);
      if (index !== undefined) return index;
      throw new HimplosError(
        'bad-input',
        `the class ${JSON.stringify(label)} is none of the ${names.length}: ${some(names)}`,
        {
          hint: 'rename its folder, or list it in the file given with --classes',
        },
      );
    },
  };
}

function numbered(
  given: readonly string[] | undefined,
  logits: number,
): Pick<ClassOrder, 'names' | 'indexOf'> {
  return {
    names: given ?? Array.from({ length: logits }, (_, index) => String(index)),
    indexOf: (label) => {
      const index = Number(label);
      if (/^\d+$/.test(label) && index < logits) return index;
      throw new HimplosError(
        'bad-input',
        `the label ${JSON.stringify(label)} is no logit: expected a whole number from 0 to ${logits - 1}`,
        { hint: 'labels are positions among the logits, from 0' },
      );
    },
  };
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown}, … (${names.length - 5} more)` : shown;
}
