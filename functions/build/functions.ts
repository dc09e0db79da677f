import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import packageJson from '../../package.json' with { type: 'json' };
import { bundledNatives, nativePackages, sharpBundle } from './native-packages.ts';
import { splitFunction } from './split-function.ts';
import { type ZipEntry, zip } from './zip.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Every function: whether it runs models and decodes images, and whether it answers callers, who wait for it to start,
 * so that it is split (`splitFunction`).
 */
const FUNCTIONS = {
  embeddings: { isNative: false, isSplit: true },
  images: { isNative: true, isSplit: true },
  bulk: { isNative: true, isSplit: false },
} as const;

export type FunctionName = keyof typeof FUNCTIONS;

/**
 * Bundles functions/NAME into files as they are deployed, with the native packages where there are any. index.js is
 * CommonJS: it loads faster than ESM here (45 ms against 55 ms with the S3 client inside). The same sources give the
 * same bytes, on any machine.
 */
export async function buildFunction(name: FunctionName): Promise<{ readonly files: readonly ZipEntry[] }> {
  const { isNative, isSplit } = FUNCTIONS[name];
  const options = {
    absWorkingDir: root,
    outfile: 'index.js',
    write: false,
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    // The ES modules of the AWS SDK shake better and load faster than what `main` points to.
    mainFields: ['module', 'main'],
    legalComments: 'none',
    define: { 'import.meta.url': '""', 'import.meta.main': 'false' },
    // import() of CommonJS would go through the loader of ES modules.
    supported: { 'dynamic-import': false },
    logLevel: 'error',
    plugins: [versionOnly],
  } satisfies BuildOptions;
  const handler = `functions/${name}/handler.ts`;
  const natives = isNative ? bundledNatives : { plugins: [] };
  const all = { ...options, ...natives, plugins: [...options.plugins, ...natives.plugins] };
  // Only whole bodies pass where callers are answered.
  const inject = ['functions/runtime/plain-messages.ts'];
  const own = isSplit
    ? await splitFunction({ ...all, inject }, handler)
    : [await bundle({ ...all, entryPoints: [handler] })];
  return { files: isNative ? [...own, await bundle(sharpBundle(options)), ...nativePackages(root)] : own };
}

async function bundle(options: BuildOptions): Promise<ZipEntry> {
  const { outputFiles } = await build(options);
  return { name: options.outfile!, bytes: outputFiles![0]!.contents };
}

/** Of package.json, functions want one field. */
const versionOnly: Plugin = {
  name: 'version-only',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/package\.json$/ }, ({ path }) =>
      path === join(root, 'package.json')
        ? { contents: JSON.stringify({ version: packageJson.version }), loader: 'json' }
        : undefined,
    ),
};

if (import.meta.main) {
  const wanted = process.argv.slice(2);
  for (const name of Object.keys(FUNCTIONS) as FunctionName[]) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const folder = join(root, 'dist/functions', name);
    const { files } = await buildFunction(name);
    await rm(folder, { recursive: true, force: true });
    for (const { name: path, bytes } of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), bytes);
    }
    const archive = zip(files);
    await writeFile(`${folder}.zip`, archive);
    const unpacked = files.reduce((total, { bytes }) => total + bytes.length, 0);
    process.stdout.write(`${folder}.zip: ${archive.length} bytes, ${unpacked} unpacked\n`);
  }
}
