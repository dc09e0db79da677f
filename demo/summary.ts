import type { Section, Tile } from './contact-sheet.ts';
import {
  classNames,
  drawKnown,
  drawUnknown,
  type NamedPicture,
  unknownSetNames,
} from './drawing/data-set.ts';

/** What `himplos score` says of one picture, as far as the demo looks at it. */
export interface Answer {
  readonly name: string;
  readonly decision: 'id' | 'ood';
  readonly score: number;
  /** γ: the lowest score that is accepted. */
  readonly threshold: number;
  /** The predicted class. */
  readonly class: string;
}

/** Answers by picture: `test/house/007.png` and `unknown/text/003-text.png`. */
export type Answers = ReadonlyMap<string, Answer>;

/** Reads the lines of `himplos score`, whose names are `SOURCE:PATH`, SOURCE below the folder of pictures. */
export function readAnswers(jsonl: string, folder: string): Answers {
  const answers = new Map<string, Answer>();
  for (const line of jsonl.trimEnd().split('\n')) {
    const answer = JSON.parse(line) as Answer;
    answers.set(answer.name.slice(folder.length + 1).replace(':', '/'), answer);
  }
  return answers;
}

/** What became of the pictures of one set. */
export interface SetSummary {
  readonly name: string;
  readonly pictures: number;
  readonly accepted: number;
}

export interface Summary {
  /** `correct`: how many pictures' class was predicted rightly, accepted or not. */
  readonly known: SetSummary & { readonly correct: number };
  /** The sets of pictures without a class. */
  readonly unknown: readonly SetSummary[];
}

/** Counts decisions. */
export function summarize(answers: Answers): Summary {
  const known = [...answers].filter(([path]) => path.startsWith('test/'));
  return {
    known: {
      ...count('test', known),
      correct: known.filter(([path, answer]) => path.split('/')[1] === answer.class).length,
    },
    unknown: unknownSetNames.map((set) => {
      return count(
        set,
        [...answers].filter(([path]) => path.startsWith(`unknown/${set}/`)),
      );
    }),
  };
}

function count(name: string, answers: readonly (readonly [string, Answer])[]): SetSummary {
  const accepted = answers.filter(([, { decision }]) => decision === 'id').length;
  return { name, pictures: answers.length, accepted };
}

/** Pictures of each class and of each other set that the contact sheet shows: the first ones, whatever they are. */
const SHOWN = { perClass: 2, perSet: 12 } as const;

/** The contact sheet's sections, with every title telling how the whole set fared. */
export function sheetSections(answers: Answers): readonly Section[] {
  const { known, unknown } = summarize(answers);
  const byClass = [...drawKnown('test', SHOWN.perClass)].map((picture) => makeTile('test', picture, answers));
  const firsts = Array.from({ length: SHOWN.perClass }, (_, i) => {
    return classNames.map((_, at) => byClass[at * SHOWN.perClass + i]!);
  });
  return [
    { title: `Known classes: ${share(known.accepted, known.pictures)} accepted`, tiles: firsts.flat() },
    ...unknown.map(({ name, pictures, accepted }) => ({
      title: `${name}: ${share(pictures - accepted, pictures)} refused`,
      tiles: [...drawUnknown(name, SHOWN.perSet)].map((drawn) => makeTile(`unknown/${name}`, drawn, answers)),
    })),
  ];
}

/** Explains the contact sheet. */
export function sheetTitle(answers: Answers): string {
  const [first] = answers.values();
  return `Green: accepted. Red: refused. Below: the answer, and the score (accepted from ${first!.threshold.toFixed(2)}).`;
}

/** A part of a whole in percent. */
export function share(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}

function makeTile(folder: string, { path, picture }: NamedPicture, answers: Answers): Tile {
  const answer = answers.get(`${folder}/${path}`);
  if (answer === undefined) throw new Error(`${folder}/${path}: expected a score, got none`);
  const isAccepted = answer.decision === 'id';
  return { picture, isAccepted, captions: [isAccepted ? answer.class : 'unknown', answer.score.toFixed(2)] };
}
