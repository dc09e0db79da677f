import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Bundles the command-line tool and the importable API into dist/; packages stay packages. */
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

await rm(path('../dist'), { recursive: true, force: true });
await build({
  entryPoints: {
    himplos: path('bin.ts'),
    'decode-worker': path('images/decode-worker.ts'),
    api: path('api.ts'),
  },
  outdir: path('../dist'),
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  splitting: true,
  chunkNames: '[name]-[hash]', // beside decode-worker.js, which decode-pool.ts looks for there
});
