#!/usr/bin/env node
import { HimplosError } from '../shared/errors.ts';
import { ReaderGone } from './io.ts';
import { run } from './program.ts';

const stop = new AbortController();
/** npm hands on the Ctrl-C that the terminal has already sent to everybody: that is one, not two. */
const SECOND_CTRL_C_MS = 1000;
let stoppedMs: number | undefined;
// The first Ctrl-C lets the command clean up; the second removes temporary files and ends the process at once. It is
// killed, not exited: an exit waits for what onnxruntime does on other threads, and is aborted by it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stoppedMs !== undefined) {
      if (performance.now() - stoppedMs < SECOND_CTRL_C_MS) return;
      process.on('exit', () => process.kill(process.pid, 'SIGKILL'));
      process.exit(2);
    }
    stoppedMs = performance.now();
    stop.abort(
      new HimplosError('interrupted', 'stopped before it was finished; nothing was left half-written', {
        hint: 'run it again; with --cache DIR it goes on where it was',
      }),
    );
  });
}
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  stop.abort(new ReaderGone());
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error; // whether or not anybody listens, the work goes on
});
process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: stop.signal,
});
