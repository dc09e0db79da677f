import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { run } from '../../calibrate/program.ts';

/** What a command left behind in its streams. */
export interface CommandResult {
  /** Exit status. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Aborting it is what Ctrl-C does. */
  readonly stop?: AbortController;
  /** Sees results as they are written. */
  readonly onStdout?: (text: string) => void;
  /** Environment variables that the command sees; none without it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether stderr is a terminal of 80 columns. */
  readonly isTerminal?: boolean;
}

/** Runs the command-line tool in this process, its streams caught. */
export async function runCommand(
  argv: readonly string[],
  { stop = new AbortController(), onStdout, isTerminal = false, env = {} }: CommandOptions = {},
): Promise<CommandResult> {
  let stdout = '';
  let stderr = '';
  const status = await run(argv, {
    stdout: {
      write: (text) => {
        stdout += text;
        onStdout?.(text);
      },
    },
    stderr: {
      isTTY: isTerminal,
      columns: 80,
      write: (text) => {
        stderr += text;
      },
    },
    env,
    signal: stop.signal,
  });
  return { status, stdout, stderr };
}

/** As {@link runCommand}; throws with everything the command said unless its exit status is 0. */
export async function runWell(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await runCommand(argv, options);
  if (result.status === 0) return result;
  throw new Error(`himplos ${argv.join(' ')}\nexit status ${result.status}\n${result.stderr}`);
}

/** The error and the hint that a command ended with; throws unless it did, with exit status 2 and no stack trace. */
export function readError({ status, stderr }: Pick<CommandResult, 'status' | 'stderr'>): {
  readonly message: string;
  readonly hint: string;
} {
  const match = /(?:^|\n)error: (.+)\nhint: (.+)\n$/.exec(stderr);
  if (status === 2 && match !== null && !/^ +at /m.test(stderr))
    return { message: match[1]!, hint: match[2]! };
  throw new Error(`expected an error and a hint with exit status 2, got ${status} and\n${stderr}`);
}

const temporaryFolders: string[] = [];

/** A new, empty folder, removed when the tests of the file are over. */
export function newFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'himplos-test-')));
  temporaryFolders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of temporaryFolders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Paths of all files and folders below a folder, sorted. */
export function listBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}

/**
 * Runs `action` with a temporary folder (TMPDIR) of its own, whose path it is given, and resolves to what it gives and
 * what is left in that folder afterwards.
 */
export async function watchTemporaryFiles<T>(
  action: (folder: string) => Promise<T>,
): Promise<{ readonly result: T; readonly left: readonly string[] }> {
  const folder = newFolder();
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  try {
    const result = await action(folder);
    return { result, left: listBelow(folder) };
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}
