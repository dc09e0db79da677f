/**
 * Runs every command of README.md as a newcomer would: the fenced `sh` blocks, in order, in one shell, stopping at the
 * first that fails. Blocks marked `sh skip` need something a test machine does not have and say so in the text.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const blocks = [...readme.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands!);
if (blocks.length === 0) throw new Error('README.md has no commands');

const { status } = spawnSync('bash', ['-euxo', 'pipefail', '-c', blocks.join('\n')], {
  cwd: root,
  stdio: 'inherit',
});
process.stdout.write(
  `${blocks.length} blocks of README.md: ${status === 0 ? 'all ran' : `failed with ${status}`}\n`,
);
process.exitCode = status ?? 1;
