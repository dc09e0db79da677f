import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Gathers what the Dockerfile copies in a new folder: the jobs, the built tool, its packages' list.
 * @param tool folder that `npm run build` has filled
 */
export async function fillContainer(folder: string, tool: string): Promise<void> {
  await mkdir(join(folder, 'dist'), { recursive: true });
  for (const name of ['Dockerfile', 'job.ts', 'run-tool.ts']) {
    await cp(fileURLToPath(new URL(name, import.meta.url)), join(folder, name));
  }
  for (const name of ['package.json', 'package-lock.json', '.npmrc']) {
    await cp(join(root, name), join(folder, name));
  }
  const scripts = (await readdir(tool)).filter((name) => name.endsWith('.js'));
  if (!scripts.includes('himplos.js'))
    throw new Error(`${tool}: himplos.js is missing: npm run build makes it`);
  for (const name of scripts) await cp(join(tool, name), join(folder, 'dist', name));
}

if (import.meta.main) {
  const folder = join(root, 'dist/container');
  await rm(folder, { recursive: true, force: true });
  await fillContainer(folder, join(root, 'dist'));
}
