/**
 * `npm run bench [-- NAME…]`: runs the benchmarks of this folder, each in a process of its own, and prints medians,
 * spread and ratios. Seeded; the machine should have nothing else to do.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const benches = readdirSync(folder)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.replace('.bench.ts', ''));
const wanted = process.argv.slice(2);
for (const name of wanted.length > 0 ? wanted : benches) {
  console.log(`\n=== ${name}`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', `${folder}${name}.bench.ts`], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
