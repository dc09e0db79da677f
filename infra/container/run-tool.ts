import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Runs himplos in a folder; what it prints is passed on and, as far as it is short, returned. */
export type Tool = (
  args: readonly string[],
  folder: string,
) => Promise<{ readonly status: number; readonly output: string }>;

const MAX_OUTPUT = 8 * 1024 * 1024;
/** As shells report a process that was killed or told to stop (a Spot machine that goes away): Batch tries again. */
const KILLED = 137;
const STOPPED = 143;

/** The tool as the image holds it, beside this file. */
export const runTool: Tool = async (args, folder) => {
  const script = fileURLToPath(new URL('dist/himplos.js', import.meta.url));
  const child = spawn(process.execPath, [script, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    child.kill('SIGTERM');
  };
  process.once('SIGTERM', stop);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk);
    if (output.length < MAX_OUTPUT) output += chunk.toString();
  });
  const [status] = (await once(child, 'close')) as [number | null];
  process.removeListener('SIGTERM', stop);
  return { status: isStopped ? STOPPED : (status ?? KILLED), output };
};
