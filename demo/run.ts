/**
 * The demo: `npm run demo [-- --out FOLDER]`. Draws a data set, calibrates a detector for the small classifier
 * beside this file, measures it, scores pictures and leaves everything in a folder.
 */
import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { HimplosError } from '../shared/errors.ts';
import { drawContactSheet } from './contact-sheet.ts';
import { classNames, drawUnknown, unknownSetNames } from './drawing/data-set.ts';
import { himplos, StepFailed } from './himplos-step.ts';
import { encodePng } from './png.ts';
import { prepareFolder } from './prepare-folder.ts';
import { type Answers, readAnswers, share, sheetSections, sheetTitle, summarize } from './summary.ts';
import { dataSetPaths, dataSetSizes, writeDataSet } from './write-data-set.ts';

/** How the classifier's training normalised pixels; the same numbers stand in train.py. */
const NORMALIZATION = ['--mean', '0.5,0.5,0.5', '--std', '0.25,0.25,0.25'];
/** What evaluate compares. */
const METHODS = ['--methods', 'himplos,energy,msp,maxlogit,odin'];

async function main(out: string, signal: AbortSignal): Promise<void> {
  const start = performance.now();
  const model = relative('', fileURLToPath(new URL('model.onnx', import.meta.url)));
  const detector = join(out, 'detector');
  const pictures = join(out, 'pictures');
  const train = join(pictures, dataSetPaths.train);
  const calibration = join(pictures, dataSetPaths.calibration);
  const test = join(pictures, dataSetPaths.test);
  const unknown = unknownSetNames.map((set) => `${set}=${join(pictures, dataSetPaths.unknown(set))}`);

  const sets = `${classNames.length} classes, and ${unknownSetNames.length} sets that belong to no class`;
  say(`Drawing pictures of ${sets}, into ${pictures}.`);
  await prepareFolder(out);
  await writeDataSet(pictures, dataSetSizes, signal);

  say('What is in the classifier?');
  await himplos(['inspect', model], { signal });

  say(
    'Make a detector from the classifier, training pictures and held-out ones; it sees no unknown picture:',
  );
  const data = ['--train', train, '--calibration', calibration, '--evaluation', test];
  await himplos(['calibrate', '--model', model, ...data, ...NORMALIZATION, '--out', detector], { signal });

  say('How well does it tell known from unknown, beside simpler methods?');
  const ood = unknown.flatMap((set) => ['--ood', set]);
  await himplos(['evaluate', '--detector', detector, '--id', test, ...ood, ...METHODS], {
    tee: join(out, 'results.txt'),
    signal,
  });

  say('Ask it about two pictures of known classes and two others:');
  const few = [join(test, 'fish/000.png'), join(test, 'house/000.png'), firstOf('unseen'), firstOf('text')];
  await himplos(['score', '--detector', detector, ...few], { signal });

  say('Ask it about all:');
  const scores = join(out, 'scores.jsonl');
  const lines = await himplos(['score', '--detector', detector, test, join(pictures, 'unknown')], {
    to: scores,
    signal,
  });
  const answers = readAnswers(lines, pictures);
  const sheet = drawContactSheet(sheetTitle(answers), sheetSections(answers));
  const sheetFile = join(out, 'contact-sheet.png');
  await writeFile(sheetFile, await encodePng(sheet.pixels, sheet.width, sheet.height));

  say(describe(answers));
  say(
    `Pictures with decisions: ${sheetFile}\nEverything else: ${out}/ (pictures, detector, results.txt, scores.jsonl)`,
  );
  say(`Took ${Math.round((performance.now() - start) / 1000)} s.`);

  function firstOf(set: string): string {
    const [first] = drawUnknown(set, 1);
    return join(pictures, dataSetPaths.unknown(set), first!.path);
  }
}

function describe(answers: Answers): string {
  const { known, unknown } = summarize(answers);
  const line = (part: number, whole: number, what: string) => `  ${share(part, whole).padStart(7)} ${what}`;
  return [
    `Of ${known.pictures} new pictures of known classes`,
    line(known.correct, known.pictures, 'are classified rightly'),
    line(known.accepted, known.pictures, 'are accepted (95 % were asked for)'),
    'Of pictures that belong to no class',
    ...unknown.map(({ name, pictures, accepted }) => {
      return line(pictures - accepted, pictures, `of ${name} are refused`);
    }),
  ].join('\n');
}

function say(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

const { values } = parseArgs({ options: { out: { type: 'string', default: 'demo-results' } } });
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new HimplosError('interrupted', 'stopped before it was finished')));
try {
  await main(values.out, stop.signal);
} catch (error) {
  if (!(error instanceof HimplosError) && !(error instanceof StepFailed)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  if (error instanceof HimplosError && error.hint !== undefined)
    process.stderr.write(`hint: ${error.hint}\n`);
  process.exitCode = error instanceof StepFailed ? error.status : 2;
}
