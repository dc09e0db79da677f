import { Command, CommanderError } from 'commander';
import { HimplosError } from '../shared/errors.ts';
import { type Io, ReaderGone } from './io.ts';
import {
  addPreprocessOptions,
  addRunOptions,
  collectValues,
  parseChoice,
  parseCount,
  parseTpr,
} from './options.ts';
import { parseFigures } from './results/figures-option.ts';
import { RESULT_FORMATS } from './results/format-results.ts';
import { FIGURES } from './results/results.ts';
import { addServeCommand } from './serve-command.ts';
import { addStoreCommands } from './store-commands.ts';
import { toolVersion } from './tool-version.ts';

/** Exit statuses: done, a quality gate failed, a known error, a bug. */
const DONE = 0;
const KNOWN_ERROR = 2;
const BUG = 70;

/**
 * The command-line tool: parses arguments (without node and script), runs one command and returns the exit status. A
 * command's own module is loaded only when it runs.
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let status = DONE;
  try {
    await makeProgram(io, (result) => {
      status = result;
    }).parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    return report(error, io);
  }
}

function makeProgram(io: Io, finish: (status: number) => void): Command {
  const program = new Command('himplos')
    .description('Calibrates detectors that let an image classifier say "I don’t know".')
    .version(toolVersion)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(withHint(text)),
    })
    .showSuggestionAfterError()
    .enablePositionalOptions();
  const add = (usage: string, summary: string) => program.command(usage).description(summary);

  add('inspect <path>', 'explain a model, a head, a data source or a detector')
    .option('--head-input <tensor>', 'name of the tensor that feeds the last linear layer')
    .option('--json', 'print JSON')
    .action(async (path, options) => {
      const { inspect } = await import('./commands/inspect.ts');
      finish(await inspect(path, options, io));
    });

  addPreprocessOptions(addRunOptions(add('features <sources...>', 'write penultimate features to a file')))
    .requiredOption('--model <file>', 'ONNX classifier')
    .requiredOption('--out <file>', 'FILE.safetensors, or FILE.npy (labels go to FILE.labels.npy)')
    .option('--head-input <tensor>', 'name of the tensor that feeds the last linear layer')
    .option('--classes <file>', 'class names in the order of the logits, one a line')
    .action(async (sources, options) => {
      const { features } = await import('./commands/features.ts');
      finish(await features(sources, options, io));
    });

  addMethodOptions(addInputOptions(add('calibrate', 'make a detector from a classifier and labelled data')))
    .option('--out <dir>', 'new folder for the detector')
    .option('--name <name>', 'what to call the detector')
    .option('--tpr <share>', 'share of in-distribution samples to accept', parseTpr, 0.95)
    .option('--thumbnails', THUMBNAILS)
    .option('--json', 'print the results as JSON')
    .option('--shard <i/n>', 'do part i (from 0) of n; auto/n takes i from the array job')
    .option('--partials <dest>', 'with --shard: folder or s3://bucket/prefix that all parts share')
    .action(async (options) => {
      const { calibrate } = await import('./commands/calibrate.ts');
      finish(await calibrate(options, io));
    });

  add('merge <partials>', 'make a detector from the parts of calibrate --shard')
    .option('--model <file>', 'ONNX classifier, as the parts had it')
    .option('--head <file>', 'the last linear layer alone, as the parts had it')
    .option('--out <dir>', 'new folder for the detector')
    .option('--json', 'print the results as JSON')
    .action(async (partials, options) => {
      const { merge } = await import('./commands/merge.ts');
      finish(await merge(partials, options, io));
    });

  addTableOptions(addInputOptions(add('compare', 'fit many methods on your data and see which wins')))
    .option('--methods <spec,...>', 'method specs, or all', collectValues)
    .option('--ablation <spec>', 'instead of methods: switch clip, mask and smoothing of this one on and off')
    .option('--baseline <spec>', 'test the other methods against this one, paired over 10 folds')
    .action(async (options) => {
      const { compare } = await import('./commands/compare.ts');
      finish(await compare(options, io));
    });

  addMethodOptions(
    addTableOptions(addInputOptions(add('sweep', 'measure a method over values of its parameters'))),
  )
    .option('--vary <key=v,...>', 'values of a parameter (repeatable); mask × clip by default', collectValues)
    .action(async (options) => {
      const { sweep } = await import('./commands/sweep.ts');
      finish(await sweep(options, io));
    });

  addMethodOptions(
    addInputOptions(add('tune', 'choose a method’s parameters on held-out data, without an OOD set')),
  )
    .option('--vary <key=v,...>', 'values of a parameter (repeatable); mask × clip by default', collectValues)
    .option('--seed <n>', 'seed of the synthetic outliers', parseCount('--seed', 2 ** 31 - 1), 1)
    .option('--out <dir>', 'new folder for a detector with the chosen parameters')
    .option('--name <name>', 'what to call the detector')
    .option('--tpr <share>', 'share of in-distribution samples to accept', parseTpr, 0.95)
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { tune } = await import('./commands/tune.ts');
      finish(await tune(options, io));
    });

  addRunOptions(add('evaluate', 'measure a detector, or several methods, on labelled data'))
    .requiredOption('--detector <dir>', 'folder of a detector')
    .requiredOption('--id <source>', 'in-distribution data (repeatable)', collectValues)
    .requiredOption('--ood <name=source>', 'out-of-distribution data (repeatable)', collectValues)
    .option(
      '--methods <spec,...>',
      'method specs, or all: those that the stored tensors allow',
      collectValues,
    )
    .option('--format <name>', RESULT_FORMATS.join(', '), parseChoice('--format', RESULT_FORMATS), 'table')
    .option('--out <file>', 'write there instead of printing')
    .action(async (options) => {
      const { evaluate } = await import('./commands/evaluate.ts');
      finish(await evaluate(options, io));
    });

  addRunOptions(add('score <sources...>', 'score images or features with a detector'))
    .requiredOption('--detector <dir>', 'folder of a detector')
    .option('--format <name>', 'jsonl or csv', parseChoice('--format', SCORE_FORMATS), 'jsonl')
    .action(async (sources, options) => {
      const { score } = await import('./commands/score.ts');
      finish(await score(sources, options, io));
    });

  add('export', 'write the detector into its classifier again, as one ONNX file')
    .requiredOption('--detector <dir>', 'folder of a detector')
    .requiredOption('--model <file>', 'ONNX classifier that the detector was calibrated for')
    .requiredOption('--out <file>', 'new ONNX file')
    .option('--head-input <tensor>', 'name of the tensor that feeds the last linear layer')
    .action(async (options) => {
      const { exportDetector } = await import('./commands/export.ts');
      finish(await exportDetector(options, io));
    });

  addServeCommand(add, io, finish);
  addStoreCommands(add, io, finish);
  return program;
}

const SCORE_FORMATS = ['jsonl', 'csv'] as const;

/** A classifier or a head, and data in roles: what every command that fits methods takes. */
function addInputOptions(command: Command): Command {
  return addPreprocessOptions(addRunOptions(command))
    .option('--model <file>', 'ONNX classifier')
    .option('--head <file>', 'the last linear layer alone, for feature sources: .safetensors or .npy')
    .option('--head-input <tensor>', 'name of the tensor that feeds the last linear layer')
    .requiredOption('--train <source>', 'labelled training data (repeatable)', collectValues)
    .requiredOption('--calibration <source>', 'held-out in-distribution data (repeatable)', collectValues)
    .option('--evaluation <source>', 'a third labelled set, for honest figures (repeatable)', collectValues)
    .option('--ood <name=source>', 'out-of-distribution data to measure on (repeatable)', collectValues)
    .option('--classes <file>', 'class names in the order of the logits, one a line')
    .option('--allow-missing-classes', 'accept classes without training images')
    .option('--allow-overlap', 'accept images that stand in two roles');
}

/** What a table over OOD sets shows, and how. */
function addTableOptions(command: Command): Command {
  return command
    .option('--near <name>', 'an OOD set that resembles the known classes (repeatable)', collectValues)
    .option('--figures <name,...>', `figures of tables: ${FIGURES.join(', ')}, or all`, parseFigures)
    .option('--bootstrap <n>', 'add 95 % intervals from n resamples', parseCount('--bootstrap', 100_000))
    .option('--seed <n>', 'seed of whatever is drawn at random', parseCount('--seed', 2 ** 31 - 1), 1)
    .option('--format <name>', RESULT_FORMATS.join(', '), parseChoice('--format', RESULT_FORMATS), 'table')
    .option('--out <file>', 'write there instead of printing')
    .option('--report <file>', 'write a page with charts there, too')
    .option('--thumbnails', THUMBNAILS);
}

const THUMBNAILS = 'show small pictures in the report';

function addMethodOptions(command: Command): Command {
  return command
    .option('--method <spec>', 'method and parameters, for example himplos:mask=50,clip=p95')
    .option('--mask-percentile <p>', 'himplos: share of each class’s weights that is masked, in percent')
    .option('--clip <value>', 'himplos: upper bound of activations: p95, 1.0 or none')
    .option('--smoothing <kind>', 'himplos: scale, none or enhance:20')
    .option('--score <kind>', 'himplos: energy, msp, maxlogit or odin');
}

/** Commander's errors say what is wrong, and sometimes in brackets what may have been meant. */
function withHint(text: string): string {
  const [message, meant] = text.trimEnd().split(/\n\((Did you mean .+)\)$/);
  const hint = meant?.replace(/^D/, 'd') ?? 'himplos --help and himplos COMMAND --help say what is expected';
  return `${message}\nhint: ${hint}\n`;
}

function report(error: unknown, io: Io): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? DONE : KNOWN_ERROR; // commander has printed its message
  }
  if (io.signal.reason instanceof ReaderGone && isEnd(error)) return DONE;
  const known = io.signal.aborted && isAbort(error) ? (io.signal.reason as HimplosError) : error;
  if (known instanceof HimplosError) {
    io.stderr.write(`error: ${known.message}\n`);
    if (known.hint !== undefined) io.stderr.write(`hint: ${known.hint}\n`);
    return KNOWN_ERROR;
  }
  const trace = error instanceof Error ? error.stack : String(error);
  io.stderr.write(`bug in himplos ${toolVersion}: please report this\n${trace}\n`);
  return BUG;
}

/** Whether a command stopped because it was told to, or could not write any more. */
function isEnd(error: unknown): boolean {
  if (error instanceof HimplosError) return error.code === 'interrupted';
  return isAbort(error) || (error instanceof Error && 'code' in error && error.code === 'EPIPE');
}

function isAbort(error: unknown): boolean {
  return !(error instanceof HimplosError) && error instanceof Error && error.name === 'AbortError';
}
