import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { HimplosError } from '../shared/errors.ts';
import { addStoreOptions } from './commands/store-options.ts';
import type { Io } from './io.ts';
import { parseChoice, parseCount } from './options.ts';
import { DEVICES, type Device } from './session.ts';

/** Adds the command that serves a detector on this machine. */
export function addServeCommand(
  add: (usage: string, summary: string) => Command,
  io: Io,
  finish: (status: number) => void,
): void {
  addStoreOptions(add('serve', 'serve a detector over HTTP on this machine, with a playground'))
    .option('--detector <dir>', 'folder of a detector, in place of a store')
    .option('--channel <name>', 'channel of the store to follow', io.env.HIMPLOS_CHANNEL ?? 'production')
    .option('--port <n>', 'port on 127.0.0.1; 0 takes any free one', parsePort, 8080)
    .option(
      '--device <name>',
      `where the model runs: ${DEVICES.join(', ')}`,
      parseChoice('--device', DEVICES),
      'auto' as Device,
    )
    .option('--threads <n>', 'threads for the model', parseCount('--threads', 1024), availableParallelism())
    .option('--quiet', 'do not log requests')
    .action(async (options) => {
      const { serve } = await import('./commands/serve.ts');
      finish(await serve(options, io));
    });
}

/** A TCP port, or 0. Throws `bad-usage`. */
function parsePort(text: string): number {
  if (/^(0|[1-9]\d{0,4})$/.test(text) && Number(text) < 65_536) return Number(text);
  throw new HimplosError(
    'bad-usage',
    `--port: expected 0 to 65535, got ${JSON.stringify(text.slice(0, 40))}`,
    {
      hint: '--port 8080',
    },
  );
}
