#!/usr/bin/env node
import { HimplosError } from '../shared/errors.ts';
import { run } from './program.ts';

const stop = new AbortController();
// The first Ctrl-C lets the command clean up; the second ends the process at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop.abort(
      new HimplosError('interrupted', 'stopped before it was finished; nothing was left half-written'),
    );
  });
}
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // the reader, `head` for example, has seen enough
  throw error;
});
process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: stop.signal,
});
