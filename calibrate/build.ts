import { mkdir, readdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Bundles the command-line tool and the importable API into dist/; packages stay packages. */
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

// Other builds have folders of their own in there.
await mkdir(path('../dist'), { recursive: true });
for (const entry of await readdir(path('../dist'), { withFileTypes: true })) {
  if (entry.isFile()) await rm(path(`../dist/${entry.name}`));
}
await build({
  entryPoints: {
    himplos: path('bin.ts'),
    'image-worker': path('images/image-worker.ts'),
    api: path('api.ts'),
  },
  outdir: path('../dist'),
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  splitting: true,
  chunkNames: '[name]-[hash]', // beside image-worker.js, which image-thread.ts looks for there
});
