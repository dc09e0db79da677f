import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../calibrate/program.ts';

/** `himplos serve` in this process. */
export interface Served {
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
  /** What it has written to stderr. */
  log(): string;
  /** Asks it to stop, as Ctrl-C does, and resolves to its exit status. */
  stop(): Promise<number>;
}

/** Starts the command on a free port with these options. Throws what it complained of when it does not start. */
export async function serveWith(
  options: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const stop = new AbortController();
  let stdout = '';
  let stderr = '';
  const done = run(['serve', '--port', '0', '--device', 'cpu', ...options], {
    stdout: {
      write: (text) => {
        stdout += text;
      },
    },
    stderr: {
      write: (text) => {
        stderr += text;
      },
    },
    env,
    signal: stop.signal,
  });
  let status: number | undefined;
  done.then((value) => {
    status = value;
  });
  while (!stdout.includes('\n')) {
    if (status !== undefined) throw new Error(`exit status ${status}\n${stderr}`);
    await delay(5);
  }
  return {
    address: /http:\/\/127\.0\.0\.1:\d+/.exec(stdout)![0],
    log: () => stderr,
    stop: () => {
      stop.abort();
      return done;
    },
  };
}
