import type { Command } from 'commander';
import { HimplosError } from '../shared/errors.ts';
import { addNoteOptions, addStoreOptions } from './commands/store-options.ts';
import type { Io } from './io.ts';

/** Adds the commands that publish, promote and look after versions in a store. */
export function addStoreCommands(
  add: (usage: string, summary: string) => Command,
  io: Io,
  finish: (status: number) => void,
): void {
  addStoreOptions(add('publish <folder>', 'put a detector into a store, as a new version'))
    .option('--with-bank', 'publish a bank of features over 64 MiB too')
    .option('--json', 'print JSON')
    .action(async (folder, options) => {
      const { publish } = await import('./commands/publish.ts');
      finish(await publish(folder, options, io));
    });

  const channel = ['--channel <name>', 'channel to move', io.env.HIMPLOS_CHANNEL ?? 'production'] as const;
  addNoteOptions(
    addStoreOptions(add('promote <version>', 'point a channel to a version that passes the gates')),
  )
    .option(...channel)
    .option('--gates <file>', 'limits as JSON')
    .option('--force', 'promote in spite of failed gates; takes --by and --reason')
    .option('--json', 'print JSON')
    .action(async (version, options) => {
      const { promote } = await import('./commands/promote.ts');
      finish(await promote(version, options, io));
    });

  addNoteOptions(addStoreOptions(add('rollback', 'point a channel back to the version before')))
    .option(...channel)
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { rollback } = await import('./commands/rollback.ts');
      finish(await rollback(options, io));
    });

  addStoreOptions(add('versions', 'list the versions of a detector in a store'))
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { versions } = await import('./commands/versions.ts');
      finish(await versions(options, io));
    });

  addStoreOptions(add('diff <before> <after>', 'say how two versions (or channels) differ'))
    .option('--json', 'print JSON')
    .action(async (before, after, options) => {
      const { diff } = await import('./commands/diff.ts');
      finish(await diff(before, after, options, io));
    });

  addStoreOptions(add('prune', 'remove old versions that were never promoted, and unfinished ones'))
    .requiredOption('--keep <n>', 'how many of the newest versions stay', parseWhole('--keep'))
    .option('--grace-hours <n>', 'leave unfinished ones alone for so long', parseWhole('--grace-hours'), 24)
    .option('--dry-run', 'only say what would be removed')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { prune } = await import('./commands/prune.ts');
      finish(await prune(options, io));
    });

  addStoreOptions(add('verify [version]', 'read every byte of all versions (or one) and check it'))
    .option('--json', 'print JSON')
    .action(async (version, options) => {
      const { verify } = await import('./commands/verify.ts');
      finish(await verify(version, options, io));
    });

  addStoreOptions(add('pull <version>', 'write a version (or what a channel points to) into a folder'))
    .requiredOption('--out <dir>', 'new folder for the detector')
    .option('--json', 'print JSON')
    .action(async (version, options) => {
      const { pull } = await import('./commands/pull.ts');
      finish(await pull(version, options, io));
    });
}

/** A whole number from 0 to a million. Throws `bad-usage`. */
function parseWhole(option: string): (text: string) => number {
  return (text) => {
    if (/^(0|[1-9]\d{0,5})$/.test(text)) return Number(text);
    throw new HimplosError(
      'bad-usage',
      `${option}: expected a whole number, got ${JSON.stringify(text.slice(0, 40))}`,
      {
        hint: `${option} 10`,
      },
    );
  };
}
