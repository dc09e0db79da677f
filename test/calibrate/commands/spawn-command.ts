import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { CommandResult } from '../run-command.ts';

const BIN = fileURLToPath(new URL('../../../calibrate/bin.ts', import.meta.url));

/** A command in a process of its own. */
export interface RunningCommand {
  readonly child: ChildProcess;
  /** Everything on stderr so far. */
  stderr(): string;
  /** Resolves once stderr has something that matches, rejects when the process ends before. */
  said(pattern: RegExp): Promise<void>;
  /** Resolves when the process has ended; its status is −1 when a signal ended it. */
  ended: Promise<CommandResult>;
}

/**
 * Starts the command-line tool as a shell would.
 * @param shell commands of sh that come first, such as `ulimit`
 */
export function spawnCommand(
  argv: readonly string[],
  { env = {}, shell = '' }: { readonly env?: Readonly<Record<string, string>>; readonly shell?: string } = {},
): RunningCommand {
  const child = spawn('sh', ['-c', `${shell}\nexec "$@"`, 'sh', process.execPath, BIN, ...argv], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const ended = once(child, 'close').then(([status]) => ({ status: status ?? -1, stdout, stderr }));
  return {
    child,
    stderr: () => stderr,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(stderr)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
        void ended.then(() => reject(new Error(`the process ended before it said ${pattern}:\n${stderr}`)));
      }),
    ended,
  };
}
