import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Bundles the command-line tool and the importable API into a folder; packages stay packages. */
export async function buildTool(outdir: string): Promise<void> {
  await build({
    entryPoints: {
      himplos: path('bin.ts'),
      'image-worker': path('images/image-worker.ts'),
      api: path('api.ts'),
    },
    outdir,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node24',
    format: 'esm',
    splitting: true,
    chunkNames: '[name]-[hash]', // beside image-worker.js, which image-thread.ts looks for there
  });
}

if (import.meta.main) {
  const dist = path('../dist');
  // Other builds have folders of their own in there.
  await mkdir(dist, { recursive: true });
  for (const entry of await readdir(dist, { withFileTypes: true })) {
    if (entry.isFile()) await rm(join(dist, entry.name));
  }
  await buildTool(dist);
}
