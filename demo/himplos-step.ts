import { writeFile } from 'node:fs/promises';
import type { TextOutput } from '../calibrate/io.ts';
import { run } from '../calibrate/program.ts';

/** What a user types in this folder before the arguments. Silent: npm's own lines would end up in the results. */
const COMMAND = 'npm run -s himplos --';
const COLUMNS = 100;

/** A command that went wrong; it has said why. */
export class StepFailed extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`the command above ended with status ${status}`);
    this.status = status;
  }
}

/**
 * Prints a himplos command as a user would type it and runs it in this process. Returns what it printed on its
 * standard output. `tee` is a file that gets this too, `to` one that gets it instead of the terminal.
 * Throws {@link StepFailed} when the command fails.
 */
export async function himplos(
  argv: readonly string[],
  options: { readonly tee?: string; readonly to?: string; readonly signal: AbortSignal },
): Promise<string> {
  const { tee, to, signal } = options;
  const redirection =
    tee !== undefined ? [`| tee ${quote(tee)}`] : to !== undefined ? [`> ${quote(to)}`] : [];
  process.stdout.write(`\n$ ${formatCommand([COMMAND, ...groupArguments(argv), ...redirection])}\n`);
  const parts: string[] = [];
  const { isTTY, columns } = process.stdout;
  const stdout: TextOutput = {
    isTTY: to === undefined && tee === undefined && isTTY,
    columns,
    write(text) {
      parts.push(text);
      return to !== undefined || process.stdout.write(text);
    },
  };
  const status = await run(argv, { stdout, stderr: process.stderr, env: process.env, signal });
  if (status !== 0) throw new StepFailed(status);
  const text = parts.join('');
  const file = tee ?? to;
  if (file !== undefined) await writeFile(file, text);
  return text;
}

/** An option and its value stay on one line. */
function groupArguments(argv: readonly string[]): readonly string[] {
  const groups: string[] = [];
  for (const [i, argument] of argv.entries()) {
    const isValue = i > 0 && argv[i - 1]!.startsWith('--') && !argument.startsWith('--');
    if (isValue || i === 1) groups.push(`${groups.pop()} ${quote(argument)}`);
    else groups.push(quote(argument));
  }
  return groups;
}

/** Breaks a long command into lines that a shell joins again. */
export function formatCommand(parts: readonly string[]): string {
  const lines: string[] = [];
  let line = '';
  for (const part of parts) {
    if (line !== '' && line.length + part.length + 3 > COLUMNS) {
      lines.push(`${line} \\`);
      line = `    ${part}`;
    } else {
      line = line === '' ? part : `${line} ${part}`;
    }
  }
  return [...lines, line].join('\n');
}

function quote(argument: string): string {
  return /^[\w./=,:%@+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
