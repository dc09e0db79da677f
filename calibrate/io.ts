import { EventEmitter, once } from 'node:events';

/** Where a stream of text goes: a terminal, a pipe, or a test's buffer. */
export interface TextOutput {
  write(text: string): unknown;
  /** Whether a person is watching. */
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Everything a command may use of the process it runs in. */
export interface Io {
  /** Results. */
  readonly stdout: TextOutput;
  /** Progress, warnings and errors. */
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the user asks to stop, or with {@link ReaderGone}. */
  readonly signal: AbortSignal;
}

/** Nobody reads the results any more: `head`, for example, has seen enough. The command ends, and that is no failure. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

/** Writes text and waits until the reader keeps up, so that long output does not pile up in memory. */
export async function writeText(output: TextOutput, text: string): Promise<void> {
  if (output.write(text) !== false || !(output instanceof EventEmitter)) return;
  await once(output, 'drain');
}
