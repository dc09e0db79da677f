import { basename } from 'node:path';
import { type BuildOptions, build, transform } from 'esbuild';
import type { ZipEntry } from './zip.ts';

/** What becomes of ES modules also decides how CommonJS is made of them. */
type Shared = Pick<BuildOptions, 'platform' | 'target' | 'minify' | 'supported'>;
type SplitOptions = BuildOptions & { readonly [Name in keyof Shared]-?: Exclude<Shared[Name], undefined> };

/**
 * Bundles a function into several CommonJS files: index.js with what `entry` imports, and files that are loaded where a
 * source imports something dynamically. A function that starts can so have its first request on the way before most of
 * its code has been read, and what a start does not need is not read at all. esbuild splits ES modules only, so that is
 * what it makes first. (In one file of CommonJS it would wrap what is imported dynamically into functions, which V8
 * reads twice: once when it skips them, and again when they run. That took 20 ms of 65 here.)
 *
 * What is imported dynamically has to be taken by name: `default` would be all of its exports. All files lie in one
 * folder, because they look for each other from wherever esbuild puts its helper that does so.
 * @param options of the bundle; `format`, `outfile` and `write` are not looked at
 */
export async function splitFunction(options: SplitOptions, entry: string): Promise<ZipEntry[]> {
  const { outfile: _, ...others } = options;
  const { outputFiles } = await build({
    ...others,
    entryPoints: { index: entry },
    write: false,
    format: 'esm',
    splitting: true,
    outdir: '.',
  });
  const { platform, target, minify, supported } = options;
  const files = outputFiles.map(async ({ path, text }) => {
    const { code } = await transform(text, { platform, target, minify, supported, format: 'cjs' });
    return { name: basename(path), bytes: new TextEncoder().encode(code) };
  });
  return Promise.all(files);
}
